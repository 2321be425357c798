"""What a state of a page is made of: a database of its own, and the words that states have in common."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from streams.explaining import Fault, Finding
from streams.settings import Settings
from streams.web.gate import Gate
from tests.integration.web.desk import DAY, NOW, Desk, Numbers, name
from tests.integration.web.found import finding, mend
from tests.integration.web.installation import (
    living,
    mark,
)

TODAY = NOW.replace(hour=0, minute=0, second=0)
HOUR = NOW.replace(minute=0, second=0)
TENANT, PIPELINE = name("aurora"), name("new business")
WHERE = {"tenant": str(TENANT), "pipeline": str(PIPELINE), "window": "day"}
STAGES = {"from_stage": str(name(PIPELINE, 0)), "to_stage": str(name(PIPELINE, 1))}
RATES, YOUNG = (0.44, 0.46, 0.38), (0.24, 0.3, 0.2)
"""The rates of pairs in a closed window, and in a young one."""
AWAY = "postgresql://postgres@127.0.0.1:1/none"


@dataclass
class Scene:
    """A database that a state is made in. `settings` and `gate` are those of the site; `stack` ends with the state.

    `headers` are those that a proxy adds to requests.
    """

    desk: Desk
    dsn: str
    stack: AsyncExitStack
    settings: dict[str, str | None] = field(default_factory=dict)
    gate: Gate | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def site(self) -> Settings:
        """Return the settings of the site."""
        return Settings.model_validate({"source_dsn": self.dsn} | self.settings)

    async def work(self, partitions: int = 1, proof_age: float = 0.0) -> None:
        """Have the partitions flushed, the log proven, and markers come, again and again until the state ends."""
        worker = await Desk.open(self.dsn)
        worker.epoch = self.desk.epoch

        async def flush() -> None:
            while True:
                for partition in range(partitions):
                    await worker.flush(partition=partition, proof_age=proof_age)
                await worker.connection.execute(
                    "update funnelproof.marker set seen_at = clock_timestamp(), intended_at = clock_timestamp()"
                )
                await asyncio.sleep(0.3)

        task = asyncio.create_task(flush())

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])
            await worker.connection.close()

        self.stack.push_async_callback(end)

    async def live(self, kind: str, who: str) -> None:
        """Have a worker or an evaluator live until the state ends."""
        await self.stack.enter_async_context(living(self.dsn, kind, who))


@dataclass(frozen=True)
class State:
    """A state: `make` makes the state and returns the path of the page. `leaves`: the page's server is gone afterwards.

    `in_full`: a picture of the dark theme and of a phone is drawn, too.
    """

    name: str
    caption: str
    make: Callable[[Scene], Awaitable[str]]
    leaves: bool = False
    in_full: bool = False


class Gallery(list[State]):
    """The states of some pages, in their order."""

    def state(
        self, caption: str, *, leaves: bool = False, in_full: bool = False
    ) -> Callable[[Callable[[Scene], Awaitable[str]]], None]:
        """Add a state of the decorated function's name."""

        def add(make: Callable[[Scene], Awaitable[str]]) -> None:
            self.append(State(make.__name__.replace("_", "-"), caption, make, leaves, in_full))

        return add


def pictures_of(state: State) -> list[str]:
    """Return the names of the state's pictures."""
    return [
        f"{state.name}-{kind}.webp" for kind in (("light", "dark", "phone") if state.in_full else ("light",))
    ]


def url(path: str = "/", **parameters: str) -> str:
    """Return the path with the parameters of the pipeline."""
    return f"{path}?{urlencode(WHERE | parameters)}"


def funnel(
    entered: int, rates: tuple[float, ...] = RATES, chance: random.Random | None = None
) -> list[tuple[int, int]]:
    """Return counts of consecutive pairs: what converts from a stage enters the next one."""
    counts = []
    for rate in rates:
        spread = rate if chance is None else chance.gauss(rate, 0.02)
        counts.append((entered, round(entered * spread)))
        entered = counts[-1][1]
    return counts


async def history(scene: Scene, days: int = 30, *, works: int = 1, today: Numbers | None = None) -> None:
    """Have closed days: one estimated, one revised; and the open day and hour with a third of their deals.

    The worker goes on with so many partitions. `today`: other counts of the open day.
    """
    desk, chance = scene.desk, random.Random(7)
    await install(scene)
    for ago in range(days, 0, -1):
        start = TODAY - ago * DAY
        counts = funnel(chance.randint(360, 440), chance=chance)
        doubtful: Mapping[str, object] = (
            {"completeness": "estimated", "reasons": ["the replication slot was moved"]} if ago == 12 else {}
        )
        await desk.close(TENANT, PIPELINE, "day", start, start + DAY, counts, **doubtful)  # type: ignore[arg-type]  # two of them
        if ago == 5:
            await desk.close(
                TENANT, PIPELINE, "day", start, start + DAY, [(counts[0][0] + 3, counts[0][1] + 2), *counts[1:]],
                revision=2, causes=["backdate"], after=5400,
            )  # fmt: skip
    await begin(scene, "day", TODAY, TODAY + DAY, today or funnel(160, YOUNG))
    await begin(scene, "hour", HOUR, HOUR + timedelta(hours=1), funnel(24, YOUNG))
    await desk.reconciled(at=NOW)
    if works:
        await scene.work(works)


async def install(scene: Scene) -> None:
    """Have an installation with one pipeline, whose worker and evaluator live."""
    desk = scene.desk
    await desk.install()
    await desk.flush()
    await desk.stages(TENANT, PIPELINE)
    await desk.label("tenant", TENANT, "Aurora Energy")
    await desk.label("pipeline", PIPELINE, "New business")
    await scene.live("worker", "one")
    await mark(desk, needed={0: 100})


async def begin(
    scene: Scene, kind: str, start: datetime, end: datetime, counts: Numbers, after: int = 2
) -> None:
    """Have an open window with counts and profiles: deals convert `after` twelfths of the window later."""
    await scene.desk.open_window(kind, start, end)
    await scene.desk.count(TENANT, PIPELINE, kind, start, end, counts)
    await scene.desk.age((TENANT, PIPELINE), (kind, start, end), counts[0], after)


async def wrong_day(scene: Scene, ago: int) -> list[Finding]:
    """What an explanation finds of a day: two deals lost in capture, a ghost, and a fact that somebody has edited."""
    facts = await scene.desk.connection.fetch(
        """select entered_count, converted_count from dyno_crm.report_stage_conversion_fact as fact
        inner join dyno_crm.report_run as run on fact.run_id = run.id
        where run.period_start = $1 order by fact.entered_count desc""",
        TODAY - ago * DAY,
    )
    (entered, converted), result = facts[0], tuple(facts[1])
    counted, published = (entered, converted), (result[0] - 4, result[1])
    scope, start = (TENANT, PIPELINE), TODAY - ago * DAY
    deals = [name(PIPELINE, start, "deal", number) for number in range(3)]
    rows = [name(deal, "row") for deal in deals]
    at = (start + timedelta(hours=9)).isoformat()
    wrong = [(entered + 1, converted), counted, counted, counted]
    ghost = f"the CRM has no such row of the deal; the log has Qualified at {at} (version 0/16B3748) in partition 0"
    lost = f"the CRM has Lead at {at}; the log has no record of the row"
    return [
        *(
            finding(scope, start, Fault.LOST, f"row {row}: {lost}", deal=deal, counts=wrong)
            for deal, row in zip(deals[:2], rows[:2], strict=True)
        ),
        finding(scope, start, Fault.GHOST, f"row {rows[2]}: {ghost}", deal=deals[2], counts=wrong),
        finding(
            scope, start, Fault.FACT_EDITED,
            f"the run was published with {published[0]} entered and {published[1]} converted",
            place=1,
            counts=[published, published, published, result],
        ),
    ]  # fmt: skip


async def repaired(
    scene: Scene, found: list[Finding], outcome: str | None, message: str | None = None
) -> None:
    """Have Ada repair what was found."""
    await mend(scene.desk, found, "sales found 2 deals missing", outcome, message)
    await scene.desk.connection.execute("update funnelproof.repair set author = 'ada@reports-1'")


async def judged(scene: Scene, windows: int = 30, *, learned: bool = True, rate: float = 0.26) -> None:
    """Have a living evaluator judge the days, with an expectation of the open day."""
    await scene.live("alerts", "evaluator")
    await scene.desk.judge("day")
    await scene.desk.expect((TENANT, PIPELINE), ("day", TODAY, TODAY + DAY), windows, rate, learned=learned)
