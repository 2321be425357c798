"""Every state of every page, each made on a database of its own: for the tests of accessibility, and for pictures."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from streams.explaining import Fault, Finding
from streams.settings import Settings
from streams.web.gate import Gate, ProxyGate, TokenGate
from streams.web.tokens import add_token
from tests.integration.web.crm import write_deals
from tests.integration.web.desk import DAY, NOW, Desk, Numbers, name
from tests.integration.web.found import find, finding, mend, resolve
from tests.integration.web.installation import (
    compare,
    deliver,
    doubt,
    letter,
    living,
    mark,
    overdue_hour,
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


STATES: list[State] = []


def state(
    caption: str, *, leaves: bool = False, in_full: bool = False
) -> Callable[[Callable[[Scene], Awaitable[str]]], None]:
    """Add a state of the function's name to STATES."""

    def add(make: Callable[[Scene], Awaitable[str]]) -> None:
        STATES.append(State(make.__name__.replace("_", "-"), caption, make, leaves, in_full))

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


@state("The pipeline of the quick start: three deals entered Lead, and two of the deals entered Demo")
async def quick_start(scene: Scene) -> str:
    desk = scene.desk
    await desk.install(["15s", "day"])
    await desk.flush()
    await desk.stages(TENANT, PIPELINE, ["Lead", "Demo"])
    await scene.live("worker", "one")
    await mark(desk, needed={0: 100})
    await begin(scene, "day", TODAY, TODAY + DAY, [(3, 2)], after=0)
    await scene.work()
    return url()


@state("A calm funnel: no alert is on; the open day lies within what is expected at its age")
async def funnel_calm(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    return url()


@state("Conversion is dropping: the alert with the rate, the expected rate and the time since", in_full=True)
async def funnel_dropping(scene: Scene) -> str:
    await history(scene)
    await judged(scene, rate=0.449)
    await scene.desk.fire(TENANT, PIPELINE, "day", TODAY, TODAY + DAY, rate=38 / 160)
    return url()


@state("In doubt: the numbers are live, and every result is an estimate")
async def funnel_in_doubt(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    await doubt(scene.desk, "slot", "the replication slot was moved")
    await scene.desk.connection.execute(
        "update funnelproof.prover set completeness = 'estimated', reasons = '{the replication slot was moved}'"
    )
    return url()


@state("Late: a partition was last flushed 41 seconds ago")
async def funnel_late(scene: Scene) -> str:
    await history(scene, works=0)
    await judged(scene)
    await scene.desk.flush(age=41, proof_age=41)
    return url()


@state("Not live: the page's server gives no answer", leaves=True)
async def funnel_not_live(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    return url()


@state("Loading: a worker reads the log for the first time")
async def funnel_loading(scene: Scene) -> str:
    scene.desk.partitions = 4
    await install(scene)
    await begin(scene, "day", TODAY, TODAY + DAY, funnel(40, YOUNG))
    return url()


@state("Learning: the baseline needs more windows, and the trend begins with the second window")
async def funnel_learning(scene: Scene) -> str:
    await history(scene, days=1)
    await judged(scene, 1, learned=False)
    return url()


@state("Too few to tell: the interval is too wide for a verdict")
async def funnel_too_few(scene: Scene) -> str:
    await history(scene, today=[(14, 3), (3, 1), (1, 0)])
    await judged(scene)
    return url()


@state("Not judged: no rule of alerts looks at such windows")
async def funnel_not_judged(scene: Scene) -> str:
    await history(scene)
    return url()


@state("A closed window that was revised: proven, with the change against the window before")
async def funnel_closed(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    return url(at=(TODAY - 5 * DAY).isoformat())


@state("A pipeline with a single stage has no pair")
async def funnel_without_pairs(scene: Scene) -> str:
    await install(scene)
    await begin(scene, "day", TODAY, TODAY + DAY, funnel(10, YOUNG))
    await scene.desk.connection.execute("delete from funnelproof.pipeline_stage where display_order > 0")
    return url()


@state("The pipelines to choose from")
async def pipelines(scene: Scene) -> str:
    await install(scene)
    names = ("Renewals", "Partners", "Freight", "Retail, Southern Europe", "Field service")
    for number, text in enumerate(names):
        tenant, pipeline = name("tenant", number % 2), name("pipeline", number)
        await scene.desk.stages(tenant, pipeline)
        await scene.desk.label("pipeline", pipeline, text)
    return "/"


@state("Nothing is found by a search")
async def pipelines_not_found(scene: Scene) -> str:
    await install(scene)
    return "/?q=nobody"


@state("Before the first worker there is no pipeline")
async def pipelines_none(_: Scene) -> str:
    return "/"


@state("Alerts that are on, and what became of alerts")
async def alerts_on(scene: Scene) -> str:
    await history(scene, days=3)
    await judged(scene)
    await scene.desk.fire(TENANT, PIPELINE, "day", TODAY, TODAY + DAY)
    return "/alerts"


@state("No alert is on")
async def alerts_none(scene: Scene) -> str:
    await history(scene, days=3)
    return "/alerts"


@state("A run: its proof, its facts, and the SQL of its numbers")
async def run(scene: Scene) -> str:
    await history(scene, days=6)
    return f"/windows/{name(TENANT, PIPELINE, 'day', TODAY - 5 * DAY, 2)}"


@state(
    "A run of a window that differs from the SQL: pairs, faults, witnesses, deals, and what mends it",
    in_full=True,
)
async def run_differs(scene: Scene) -> str:
    await history(scene, days=6)
    await find(scene.dsn, await wrong_day(scene, 2))
    return f"/windows/{name(TENANT, PIPELINE, 'day', TODAY - 2 * DAY, 1)}"


@state("A run whose window differs, for a reader without the permission for deals")
async def run_differs_without_deals(scene: Scene) -> str:
    scene.gate = ProxyGate(["127.0.0.1"], "proxy")
    scene.headers = {"X-Funnelproof-Secret": "proxy", "X-Funnelproof-Tenants": str(TENANT)}
    await history(scene, days=6)
    await find(scene.dsn, await wrong_day(scene, 2))
    return f"/windows/{name(TENANT, PIPELINE, 'day', TODAY - 2 * DAY, 1)}"


@state("A run whose window was mended: who repaired what, why, with what outcome", in_full=True)
async def run_mended(scene: Scene) -> str:
    await history(scene, days=6)
    found = await wrong_day(scene, 5)
    await find(scene.dsn, found)
    await repaired(scene, found, "failed", "no worker has folded the restatements within 60 s")
    await repaired(scene, found, "equal")
    await resolve(scene.desk)
    return f"/windows/{name(TENANT, PIPELINE, 'day', TODAY - 5 * DAY, 2)}"


@state("The funnel of a closed window that is known to be wrong")
async def funnel_known_wrong(scene: Scene) -> str:
    await history(scene)
    await judged(scene)
    await find(scene.dsn, await wrong_day(scene, 2))
    await scene.desk.reconciled("different", {"differences": 2})
    return url(at=(TODAY - 2 * DAY).isoformat())


@state("Findings that are open: each leads to its window and to its deal", in_full=True)
async def findings_open(scene: Scene) -> str:
    await history(scene, days=6)
    await find(scene.dsn, [*await wrong_day(scene, 2), *await wrong_day(scene, 3)])
    return "/findings"


@state("No window is known to be wrong")
async def findings_none(scene: Scene) -> str:
    await install(scene)
    return "/findings"


@state("Findings that a comparison has resolved")
async def findings_resolved(scene: Scene) -> str:
    await history(scene, days=6)
    await find(scene.dsn, await wrong_day(scene, 2))
    await resolve(scene.desk)
    return "/findings?state=resolved"


@state("The deals behind a number, as many as counted")
async def deals(scene: Scene) -> str:
    scene.settings["deals_dsn"] = scene.dsn
    await history(scene, days=1, today=[(12, 5), (5, 1), (1, 0)])
    await write_deals(scene.desk, TENANT, PIPELINE, TODAY + timedelta(hours=8), 12, 5, after=4980)
    return url("/deals", which="converted", **STAGES)


@state("The deals differ from the number, with the reasons")
async def deals_differ(scene: Scene) -> str:
    scene.settings["deals_dsn"] = scene.dsn
    await history(scene, days=1, today=[(12, 5), (5, 1), (1, 0)])
    await write_deals(scene.desk, TENANT, PIPELINE, TODAY + timedelta(hours=8), 14, 5)
    return url("/deals", which="entered", **STAGES)


@state("The page has no login for the CRM's deals")
async def deals_without_login(scene: Scene) -> str:
    await history(scene, days=1)
    return url("/deals", which="entered", **STAGES)


@state("The CRM's database gives no answer: the number stays")
async def deals_away(scene: Scene) -> str:
    scene.settings["deals_dsn"] = AWAY
    await history(scene, days=1)
    return url("/deals", which="entered", **STAGES)


@state("A deal: its rows, and which of them count")
async def deal(scene: Scene) -> str:
    scene.settings["deals_dsn"] = scene.dsn
    await history(scene, days=1)
    start = TODAY + timedelta(hours=8)
    await write_deals(scene.desk, TENANT, PIPELINE, start, 12, 5, after=4980)
    return url(f"/deals/{name(PIPELINE, start, 'deal', 0)}")


@state("Operations before the first worker: the first steps")
async def operations_empty(_: Scene) -> str:
    return "/operations"


@state("Operations: all is well")
async def operations_well(scene: Scene) -> str:
    scene.desk.partitions = 2
    await history(scene, days=10, works=2)
    await mark(scene.desk, needed={0: 100, 1: 100})
    await judged(scene)
    for ago in range(1, 11):
        await compare(scene.desk, TODAY - ago * DAY, age=780.0 * ago)
    return "/operations"


@state("Operations with troubles: each with its cause and its remedy", in_full=True)
async def operations_trouble(scene: Scene) -> str:
    desk = scene.desk
    desk.partitions = 3
    await history(scene, days=10, works=0)
    await desk.flush(partition=1)
    await overdue_hour(desk)
    await desk.connection.execute(
        """insert into funnelproof.partition_progress
        (epoch, partition, source_offset, claimed, flushes, worker, flushed_at)
        values ($1, 2, 100, 0, 1, 'two', clock_timestamp() - interval '94 s')""",
        desk.epoch,
    )
    await mark(desk, needed={0: 100, 1: 100, 2: 41_820})
    await scene.work(2, proof_age=92)
    await doubt(desk, "slot", "the replication slot was moved", age=1500)
    await letter(desk, "deal_id is no UUID", 8_143, age=3700, partition=1)
    await letter(desk, "deal_id is no UUID", 8_150, age=3600, partition=1)
    await compare(desk, TODAY - DAY)
    await compare(desk, TODAY - 2 * DAY, "different")
    await desk.reconciled("different", {"differences": 1})
    await desk.judge("day", age=2, held="nothing is proven")
    await scene.live("alerts", "evaluator")
    await desk.fire(TENANT, PIPELINE, "day", TODAY, TODAY + DAY)
    await deliver(desk, "on-call", age=310, error="503 from https://pager.example/v2")
    await deliver(desk, "mail", age=900, given_up=True)
    return "/operations"


@state("Operations: open findings, the windows that are known longest, and the last repairs", in_full=True)
async def operations_findings(scene: Scene) -> str:
    await history(scene, days=10)
    await judged(scene)
    found = await wrong_day(scene, 2)
    await find(scene.dsn, [*found, *await wrong_day(scene, 3)])
    await scene.desk.connection.execute(
        "update funnelproof.finding set found_at = clock_timestamp() - interval '3 h'"
    )
    await compare(scene.desk, TODAY - 2 * DAY, "different")
    await compare(scene.desk, TODAY - 3 * DAY, "different")
    await repaired(scene, found, "failed", "the log is in doubt: run `funnelproof rebuild`")
    await repaired(scene, found, "different")
    await repaired(scene, found, "equal")
    await repaired(scene, found, None)
    return "/operations#findings"


@state("Signing in with a token")
async def sign_in(scene: Scene) -> str:
    await install(scene)
    await add_token(scene.desk.connection, "sales-ops", None, [], None)
    scene.gate = TokenGate()
    return "/"


@state("A page that does not exist, or is another tenant's")
async def not_found(scene: Scene) -> str:
    await install(scene)
    return url(pipeline=str(name("of another tenant")))


@state("The report database gives no answer")
async def database_away(scene: Scene) -> str:
    scene.settings["source_dsn"] = AWAY
    return url()
