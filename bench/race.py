"""One contender over the common work, from its start to an exact result, and what that took."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contender import ROOT, Contender, Course, differences, new_course
from bench.dataset import Dataset
from bench.processes import Measured, measured
from bench.servers import connected
from streams.store.database import OwnConnection

_LOOK_EVERY = 0.05
_SETTLING_SECONDS = 15.0
"""A result that is complete in number and wrong for this long is not going to become right."""


@dataclass(frozen=True)
class Outcome:
    """One run. Seconds and MiB; CPU is that of the contender's processes, without the broker and Postgres."""

    contender: str
    mode: str
    durable: str
    events: int
    exact: bool
    differing_rows: int
    reached: float  # the part of the work that was in the result at the end, about
    seconds: float  # from the start of the process
    seconds_from_first: float | None  # from its first record; none: it had none
    cpu_seconds: float
    cpu_before_first: float | None
    peak_mib: float
    trouble: str | None = None

    @property
    def events_per_second(self) -> float | None:
        """From the first record on; none where the result was not complete."""
        return self.events / self.seconds_from_first if self.exact and self.seconds_from_first else None

    @property
    def cpu_per_million(self) -> float | None:
        """CPU seconds of a million events: the start-up once, and the work scaled by the part that was reached."""
        done = self.events * min(1.0, self.reached)
        if not done or self.cpu_before_first is None:
            return None
        return self.cpu_before_first + (self.cpu_seconds - self.cpu_before_first) / done * 1e6


async def race(
    contender: Contender, dataset: Dataset, folder: Path, limit: float, kinds: Sequence[str] = ("day",)
) -> Outcome:
    """Run the contender until its result is exact, it dies, it is wrong for good, or `limit` seconds are over.

    `kinds` are the kinds of windows of which it counts, and which are compared.
    """
    async with dataset.result_database(f"bench_{contender.name.replace('-', '_')}", kinds) as dsn:
        course = new_course(dataset, dsn, folder)
        await contender.enter(course)
        async with connected(dsn) as facts:
            try:
                with measured(
                    contender.command(course), contender.environment(course), course.log, ROOT
                ) as program:
                    return await _watch(contender, course, facts, program, limit)
            finally:
                dataset.servers.delete_topics(course.group)


async def _watch(
    contender: Contender, course: Course, facts: OwnConnection, program: Measured, limit: float
) -> Outcome:
    started = time.monotonic()
    first: float | None = None
    cpu_before_first: float | None = None
    complete_since: float | None = None
    wrong, reached = -1, 0.0
    while True:
        if first is None:
            # As it was before the question: an answer may take a while, in which records are read already.
            before = time.monotonic(), program.cpu()
            if await contender.began(course, facts):
                first, cpu_before_first = before
        program.peak()  # noted while the program runs: an ended one has no memory
        runs = program.runs  # asked first: what it wrote before its end is then seen
        reached = await contender.reached(course, facts)
        now = time.monotonic()
        if reached >= 1:
            wrong = await differences(facts)
            complete_since = complete_since or now
        settled = complete_since is not None and now - complete_since > _SETTLING_SECONDS
        if wrong == 0 or not runs or settled or now - started > limit:
            break
        await asyncio.sleep(_LOOK_EVERY)
    if wrong:
        wrong = await differences(facts)
    return Outcome(
        contender=contender.name,
        mode=contender.mode,
        durable=contender.durable,
        events=course.dataset.work.size,
        exact=wrong == 0,
        differing_rows=wrong,
        reached=reached,
        seconds=now - started,
        seconds_from_first=None if first is None else now - first,
        cpu_seconds=program.cpu(),
        cpu_before_first=cpu_before_first,
        peak_mib=program.peak(),
        trouble=None if wrong == 0 or runs else program.last_words(),
    )
