"""The imports of commands and workers, made once in the process from which `tests.programs` forks."""

import gc
import os

# A console finds out at its making whether it writes to a terminal. The files of a command are none.
outputs = [os.dup(number) for number in (1, 2)]
nowhere = os.open(os.devnull, os.O_WRONLY)
for number in (1, 2):
    os.dup2(nowhere, number)

import streams.app  # noqa: E402 - what `worker` imports when it begins
import streams.operations.site  # noqa: E402 - the same
import streams.running  # noqa: E402 - the same
import streams.worker  # noqa: E402 - the same
from streams.cli.main import main  # noqa: E402 - what every command imports

IMPORTED = (streams.app, streams.operations.site, streams.running, streams.worker, main)

for number, output in zip((1, 2), outputs, strict=True):
    os.dup2(output, number)
    os.close(output)
os.close(nowhere)
gc.freeze()  # a collection in a forked process would copy every page
