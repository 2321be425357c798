"""The plan of a session of runs, and how one run goes."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.local.stack import CRM_DATABASE
from tests.chaos import faults
from tests.chaos.checks import Figures, everything_is_right
from tests.chaos.compaction import compact_during_replay
from tests.chaos.crm import HABITS, Crm, Habit, Written
from tests.chaos.faults import Fault
from tests.chaos.history import history_before
from tests.chaos.stage import Stage
from tests.chaos.watch import watching
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import installed
from tests.servers import EmbeddedServers

FAULTS: dict[str, tuple[Fault, int]] = {
    "kill -9 worker": (faults.kill_worker, 8),
    "kill -9 worker in a flush": (faults.kill_worker_in_flush, 2),
    "kill -9 worker in a close": (faults.kill_worker_in_close, 2),
    "kill -9 worker in a checkpoint": (faults.kill_worker_in_checkpoint, 2),
    "kill -9 broker": (faults.kill_broker, 2),
    "kill -9 connect": (faults.kill_connect, 2),
    "kill -9 postgres": (faults.kill_postgres, 2),
    "rebalance, one leaves": (faults.rebalance_and_stop, 1),
    "rebalance, one dies": (faults.rebalance_and_kill, 1),
    "zombie": (faults.pause_worker, 1),
    "zombie in a flush": (faults.pause_worker_in_flush, 1),
    "compaction in a replay": (compact_during_replay, 1),
}
"""What may happen, and how often it does in a whole session."""
SETTINGS = {
    "WINDOWS": "5s,10s,hour",
    "PROOF_WAIT": "6s",
    "CHECKPOINT_INTERVAL": "1s",
    "SESSION_TIMEOUT": "4s",
}


@dataclass(frozen=True)
class Run:
    """What came of one run."""

    fault: str
    moment: float
    evidence: str
    written: Written
    workers: int
    figures: Figures
    seconds: float


def plan(seed: int, runs: int | None = None, only: str = "") -> list[str]:
    """Return which faults happen in which order; `only` chooses those whose name contains it."""
    chosen = [name for name, (_, times) in FAULTS.items() for _ in range(times) if only in name]
    random.Random(seed).shuffle(chosen)
    wanted = len(chosen) if runs is None else runs
    return [chosen[number % len(chosen)] for number in range(wanted)] if chosen else []


@asynccontextmanager
async def stage_on(
    servers: EmbeddedServers, folder: Path, habits: Mapping[str, Habit] = HABITS
) -> AsyncIterator[Stage]:
    """Set an installation up whose history grows from run to run, with one worker that folds."""
    assert servers.postgres_dsn
    funnels = [Funnel() for _ in range(2)]
    pairs = json.dumps(stage_pairs(funnels[0]))
    async with installed(servers, CRM_DATABASE, folder, **SETTINGS, STAGE_PAIRS=pairs) as installation:
        crm = Crm(installation.settings.source_dsn, funnels, habits)
        for funnel in crm.funnels:
            await funnel.create(installation.connection)
        installation.start_worker()
        stage = Stage(installation, servers, crm, await history_before(installation))
        await stage.folding()
        yield stage


def stage_pairs(funnel: Funnel) -> dict[str, list[list[str]]]:
    """Return pairs for one pipeline that are not each stage and the next, as the setting says them."""
    a, b, c = (str(funnel.ids[stage]) for stage in "abc")
    return {f"{funnel.tenant}/{funnel.pipeline}": [[a, c], [b, a], [b, c]]}


async def run(stage: Stage, fault: str, seed: str) -> Run:
    """Write, let the fault happen at a random moment, write on, stop, and check everything."""
    began = time.monotonic()
    stage.chance = random.Random(seed)
    moment = stage.chance.uniform(0.5, 6)
    async with watching(stage.installation.settings.source_dsn) as watched:
        async with stage.crm.busy(seed) as written, stage.history.growing():
            await asyncio.sleep(moment)
            evidence = await FAULTS[fault][0](stage)
            await stage.pause(1, 3)
        figures = await everything_is_right(stage.installation)
    assert written.committed
    assert watched.looks
    assert not watched.steps_back, watched.steps_back
    running = [worker for worker in stage.installation.workers if worker.runs]
    assert len(running) == 1, stage.installation.evidence()
    seconds = time.monotonic() - began
    return Run(fault, moment, evidence, written, len(watched.workers), figures, seconds)
