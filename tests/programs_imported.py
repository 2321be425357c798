"""The imports of commands and workers, made once in the process from which `tests.programs` forks."""

import gc
import inspect
import os
import sys

# A console finds out at its making whether it writes to a terminal. The files of a command are none.
outputs = [os.dup(number) for number in (1, 2)]
nowhere = os.open(os.devnull, os.O_WRONLY)
for number in (1, 2):
    os.dup2(nowhere, number)

import anyio._backends._asyncio  # noqa: E402 - what httpx imports for the first request
import faust.app.router  # noqa: E402 - what Faust imports when a worker begins
import faust.assignor.leader_assignor  # noqa: E402 - the same
import faust.tables.objects  # noqa: E402 - the same
import faust.tables.sets  # noqa: E402 - the same
import faust.topics  # noqa: E402 - the same
import faust.worker  # noqa: E402 - the same
import httpcore  # noqa: E402 - what httpx imports for the first request

import streams.app  # noqa: E402 - what `worker` imports when it begins
import streams.engine.transport  # noqa: E402 - the same
import streams.operations.site  # noqa: E402 - the same
import streams.running  # noqa: E402 - the same
import streams.worker  # noqa: E402 - the same
from streams.cli.main import main  # noqa: E402 - what every command imports

IMPORTED = (anyio, faust, httpcore, streams, main)
# Faust asks which file uses Faust; the first answer takes a look at every module.
inspect.getframeinfo(sys._getframe())

for number, output in zip((1, 2), outputs, strict=True):
    os.dup2(output, number)
    os.close(output)
os.close(nowhere)
gc.freeze()  # a collection in a forked process would copy every page
