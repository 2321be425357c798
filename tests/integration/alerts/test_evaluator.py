"""The evaluator on a real report database: windows that a real fold and a real closing have made."""

import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from streams.alerts.evaluation import memory
from streams.alerts.evaluation.evaluator import Evaluator
from streams.alerts.evaluation.open_window import OpenWindow
from streams.alerts.evaluation.term import Term, TermOverError
from streams.alerts.evaluation.watch import Watch
from streams.alerts.rule_file import RuleFile
from streams.domain.detection.profile import Profile
from streams.domain.windows import to_microseconds
from streams.store.database import REPORT_SETTING, Connection
from streams.store.installation import register_installation
from tests.integration.closing.conftest import START, Desk, desk_of, entry

RULES = """
[[rule]]
name = "drops"
kind = "drop"
window = "1m"
drop = "30%"
"""
MINUTE = 60
CALM = (0.5, 120)
"""The rate and the deals of a minute in which nothing is remarkable."""
Event = tuple[float, str, int, str]
"""An entry's second, its row, stage and deal."""
TRANSITIONS = "select transition, window_start, content from funnelproof.alert_event order by event_number"
STATES = "select state, entered_count, converted_count from dyno_crm.stage_conversion_alert"


@dataclass
class Site:
    """A desk that makes minutes, and an evaluator that looks after each step."""

    desk: Desk
    dsn: str
    rules: Path
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    minute: int = 0
    deal: int = 0
    entered: dict[int, float] = field(default_factory=dict)
    evaluators: list[Evaluator] = field(default_factory=list)

    async def evaluator(self) -> Evaluator:
        term = Term(self.dsn, REPORT_SETTING, f"test {len(self.evaluators)}")
        assert await term.hold()
        made = Evaluator(self.desk.pool, RuleFile(self.rules, ("1m",)), ("1m",), timedelta(hours=1), term)
        self.evaluators.append(made)
        return made

    async def release(self) -> None:
        """Let the evaluator go as a process that is killed lets everything go."""
        await self.evaluators[-1]._term.close()

    async def minute_of(
        self, rate: float, deals: int = 120, *doubts: str, steps: Sequence[float] = ()
    ) -> None:
        """Write a minute of deals that enter stage 0 and convert within seconds at this rate; close the minute.

        `steps`: seconds of the minute at which everything until then is proven, and the evaluator looks.
        """
        events = self._deals(rate, deals)
        begin = self.minute * MINUTE
        for step in [*steps, MINUTE]:
            self._write(events, begin + step)
            await self.desk.flush()
            await self.desk.close(begin + step + 0.5 * (step == MINUTE), *doubts)
            if self.evaluators:
                await self.evaluators[-1].look()
        self.minute += 1

    async def past(self, *minutes: tuple[float, int]) -> None:
        """Write minutes as `minute_of` does, each of a rate and a number of deals; flush and close all together.

        No evaluator looks yet, and each minute gets the result that it would get alone.
        """
        assert not self.evaluators
        for rate, deals in minutes:
            self._write(self._deals(rate, deals), (self.minute + 1) * MINUTE)
            self.minute += 1
        await self.desk.flush()
        await self.desk.close(self.minute * MINUTE + 0.5)

    def _deals(self, rate: float, deals: int) -> list[Event]:
        """Return the entries of a minute's deals in their order."""
        begin = self.minute * MINUTE
        events: list[Event] = []
        for _ in range(deals):
            self.deal += 1
            at = self.chance.uniform(0, MINUTE - 6)
            self.entered[self.deal] = begin + at
            events.append((begin + at, f"{self.deal} a", 0, f"deal {self.deal}"))
            if self.chance.random() < rate:
                events.append(
                    (begin + at + self.chance.uniform(1, 5), f"{self.deal} b", 1, f"deal {self.deal}")
                )
        return sorted(events)

    def _write(self, events: list[Event], until: float) -> None:
        """Write the first of the events, those before a second; take them out of the list."""
        while events and events[0][0] < until:
            at, row, stage, deal = events.pop(0)
            self.desk.write(row, entry(stage, at), deal=deal, partition=int(deal[5:]) % 2, late=False)

    async def correct_the_last_minute(self) -> None:
        """Write down conversions of which the CRM was told too late, and look at what has changed."""
        begin = (self.minute - 1) * MINUTE
        for deal in [deal for deal, at in self.entered.items() if at >= begin][::2]:
            late = entry(1, self.entered[deal] + 2)
            self.desk.write(f"{deal} late", late, deal=f"deal {deal}", partition=deal % 2)
        await self.desk.flush()
        await self.desk.close(self.minute * MINUTE + 5)
        await self.evaluators[-1].look()

    async def transitions(self) -> list[str]:
        return [row["transition"] for row in await self.desk.pool.fetch(TRANSITIONS)]


@pytest.fixture
async def site(database: str, tmp_path: Path) -> AsyncIterator[Site]:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    async with asyncpg.create_pool(database, min_size=1, server_settings={"timezone": "UTC"}) as pool:
        async with pool.acquire() as connection:
            await register_installation(connection, "funnelproof", START)
        made = Site(await desk_of(pool), database, rules)
        yield made
        for evaluator in made.evaluators:
            await evaluator._term.close()


async def learned(site: Site, minutes: int = 20) -> Evaluator:
    await site.past(*[CALM] * minutes)
    evaluator = await site.evaluator()
    await evaluator.look()
    return evaluator


async def test_a_drop_fires_within_its_window_and_resolves_after_the_recovery(site: Site) -> None:
    await learned(site)
    for _ in range(3):
        await site.minute_of(0.5, steps=(15, 30, 45))
    assert await site.transitions() == []
    await site.minute_of(0.03, steps=(10, 20, 30, 40, 50))
    (fired,) = await site.desk.pool.fetch(TRANSITIONS)
    assert fired["transition"] == "fired"
    assert fired["window_start"] == START + timedelta(minutes=23)
    told = json.loads(fired["content"])
    assert (told["from_stage"], told["to_stage"]) == ("stage 0", "stage 1")
    assert told["converted"] < told["low"] < told["expected"] < told["high"] <= told["entered"]
    assert told["odds"] > 43_200  # pairs * minutes a month / budget
    assert told["since"] == (START + timedelta(minutes=23)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await site.minute_of(0.03, steps=(10, 20, 30, 40, 50))
    assert await site.transitions() == ["fired"]
    assert [row["state"] for row in await site.desk.pool.fetch(STATES)] == ["firing"]
    for _ in range(3):
        await site.minute_of(0.5, steps=(10, 20, 30, 40, 50))
    assert await site.transitions() == ["fired", "resolved"]
    assert await site.desk.pool.fetch(STATES) == []


async def test_an_evaluator_that_is_killed_at_any_look_is_replaced_without_a_lost_or_doubled_transition(
    site: Site,
) -> None:
    await learned(site)
    story = [0.5, 0.03, 0.03, 0.5, 0.5, 0.5, 0.03, 0.5, 0.5, 0.5]
    for rate in story:
        for step in (15, 30, 45):
            await site.release()
            await site.evaluator()
            await site.minute_of(rate, steps=(step,)) if step == 45 else None
    alone = await site.transitions()
    assert alone == ["fired", "resolved", "fired", "resolved"]


class KilledError(Exception):
    """The process ends here."""


async def killed(*_: object) -> None:
    raise KilledError


async def test_an_evaluator_that_is_killed_after_its_decisions_and_before_its_memory_loses_and_doubles_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learned(site)
    for rate in (0.5, 0.03, 0.03, 0.5, 0.5, 0.5):
        with monkeypatch.context() as patch:
            patch.setattr(memory, "keep", killed)
            with pytest.raises(KilledError):
                await site.minute_of(rate, steps=(30,))
        site.minute += 1
        kept = await site.desk.pool.fetchval("select memory_proof_id from funnelproof.alert_cursor")
        assert kept is None  # the memory is of an earlier close
        await site.release()
        await site.evaluator()
    assert await site.transitions() == ["fired", "resolved"]


async def test_alerts_are_delivered_before_a_memory_is_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = await learned(site)
    order: list[str] = []
    keep = memory.keep

    async def deliver() -> None:
        order.append(f"delivered {await site.transitions()}")

    async def kept(connection: Connection, place: memory.PlaceKey, parts: Iterator[bytes]) -> None:
        order.append("kept")
        await keep(connection, place, parts)

    monkeypatch.setattr(evaluator, "_deliver", deliver)
    monkeypatch.setattr(memory, "keep", kept)
    await site.minute_of(0.5)
    await site.minute_of(0.03)
    assert order == ["kept", "delivered ['fired']", "kept"]


async def test_expectations_are_made_before_the_first_look_needs_them(site: Site) -> None:
    evaluator = await learned(site)
    await site.minute_of(0.5)
    ((_, watch),) = evaluator._watches.values()
    assert isinstance(watch, Watch)
    edition = watch.detector.edition
    assert watch.detector.state.open == to_microseconds(START + timedelta(minutes=21))
    await site.desk.close(site.minute * MINUTE + 8)
    await evaluator.look()
    assert (watch.place.age, watch.detector.edition) == (0, edition)


async def test_profiles_are_read_shortly_before_a_look(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = await learned(site)
    await site.minute_of(0.5)
    read: list[int] = []
    reading = OpenWindow.read

    async def noted(self: OpenWindow, connection: Connection, epoch: UUID, start: int, end: int) -> Profile:
        ((_, watch),) = evaluator._watches.values()
        read.append(watch.place.age)
        return await reading(self, connection, epoch, start, end)

    monkeypatch.setattr(OpenWindow, "read", noted)
    for second in (6, 8, 9, 9.5, 10):  # buckets have five seconds, and half of a bucket is near
        await site.desk.close(site.minute * MINUTE + second)
        await evaluator.look()
    assert read == [-1, 0, 0, 0]


async def test_an_alert_is_taken_back_when_its_numbers_are_corrected(site: Site) -> None:
    await learned(site)
    await site.minute_of(0.03)
    assert await site.transitions() == ["fired"]
    await site.correct_the_last_minute()
    fired, retracted = await site.desk.pool.fetch(TRANSITIONS)
    assert retracted["transition"] == "retracted"
    before, after = json.loads(fired["content"]), json.loads(retracted["content"])
    assert "changed" in after["reason"]
    assert after["converted"] > 4 * before["converted"]
    assert after["rate"] == pytest.approx(after["converted"] / after["entered"], abs=1e-3)
    assert after["expected"] == pytest.approx(after["expected_rate"] * after["entered"], abs=0.01)
    assert after.get("odds", 0) < before["odds"] / 10
    await site.minute_of(0.5, steps=(20, 40))
    assert await site.transitions() == ["fired", "retracted"]


async def test_nothing_is_decided_while_results_are_estimates(site: Site) -> None:
    await learned(site)
    await site.minute_of(0.03, 120, "a doubt", steps=(20, 40))
    await site.minute_of(0.03, 120, "a doubt", steps=(20, 40))
    assert await site.transitions() == []
    assert "a doubt" in str(site.evaluators[-1].held)
    await site.minute_of(0.5, steps=(20, 40))
    assert site.evaluators[-1].held is None
    assert await site.transitions() == []
    await site.minute_of(0.03, steps=(20, 40))
    assert await site.transitions() == ["fired"]


FAIL_AT_COMMIT = """
create function public.fail() returns trigger language plpgsql as $$ begin raise 'no room is left'; end $$;
create constraint trigger fail after insert or update on funnelproof.alert_state
deferrable initially deferred for each row execute function public.fail()
"""


async def test_a_look_whose_commit_fails_has_told_nothing_and_the_next_look_decides_the_same(
    site: Site,
) -> None:
    await learned(site)
    await site.desk.pool.execute(FAIL_AT_COMMIT)
    with pytest.raises(asyncpg.RaiseError):
        await site.minute_of(0.03)
    assert (await site.transitions(), await site.desk.pool.fetch(STATES)) == ([], [])
    await site.desk.pool.execute("drop trigger fail on funnelproof.alert_state")
    await site.evaluators[-1].look()
    assert await site.transitions() == ["fired"]


async def test_an_evaluator_of_a_former_term_writes_nothing(site: Site) -> None:
    former = await learned(site)
    session = former._term._lock.session
    assert session is not None
    await site.desk.pool.execute("select pg_terminate_backend($1::integer)", session.get_server_pid())
    await site.evaluator()
    with pytest.raises(TermOverError):
        await former.look()


async def test_a_fixed_rate_fires_at_a_close_and_resolves_at_a_close(site: Site) -> None:
    site.rules.write_text(
        '[[rule]]\nname = "floor"\nkind = "below"\nwindow = "1m"\nrate = "40%"\npairs = ["stage 0 -> stage 1"]\n'
    )
    await site.minute_of(0.2)
    await site.evaluator()
    for rate in (0.6, 0.2, 0.2, 0.6):
        await site.minute_of(rate)
    await site.minute_of(0.1, 20)  # fewer than 50 deals say nothing
    assert await site.transitions() == ["fired", "resolved"]


async def test_the_end_of_all_traffic_fires(site: Site) -> None:
    site.rules.write_text('[[rule]]\nname = "quiet"\nkind = "traffic"\nwindow = "1m"\nstages = ["stage 0"]\n')
    await learned(site)
    await site.minute_of(0.5, 120)
    assert await site.transitions() == []
    await site.minute_of(0.5, 0, steps=(15, 30, 45))
    assert await site.transitions() == ["fired"]


async def test_an_alert_of_a_rule_that_is_taken_away_ends(site: Site) -> None:
    evaluator = await learned(site)
    await site.minute_of(0.03)
    site.rules.write_text(RULES.replace("drops", "others"))
    await evaluator.look()
    assert await site.transitions() == ["fired", "resolved"]


async def test_a_broken_rule_file_leaves_the_last_good_rules_in_force(site: Site) -> None:
    await learned(site)
    site.rules.write_text(RULES.replace("30%", "300%"))
    await site.minute_of(0.03)
    assert await site.transitions() == ["fired"]
    (told,) = await site.desk.pool.fetchval("select broken_rules from funnelproof.alert_term")
    assert "rules.toml:6" in told


HOOKED = '[receivers.hook]\nwebhook = "http://127.0.0.1:9/x"\nsecret = "a secret in plain words"\n'
TOLD = (
    "select transition from funnelproof.alert_delivery inner join funnelproof.alert_event as event using (event_id)"
    " where receiver = 'hook' order by event.event_number"
)
SILENCE = "insert into funnelproof.alert_silence (starts_at, ends_at, reason, author) values (now(), $1, 'why', 'who')"
END = "update funnelproof.alert_silence set ends_at = clock_timestamp()"


async def test_an_alert_that_outlasts_a_silence_is_told_at_the_end(site: Site) -> None:
    site.rules.write_text(HOOKED + RULES + 'receivers = ["hook"]\n')
    pool = site.desk.pool
    evaluator = await learned(site)
    await pool.execute(SILENCE, datetime.now(UTC) + timedelta(hours=1))
    await site.minute_of(0.03)
    assert [row["state"] for row in await pool.fetch(STATES)] == ["silenced"]
    assert await site.transitions() == ["fired"]
    assert await pool.fetch(TOLD) == []
    await pool.execute(END)
    await evaluator.look()
    assert [row[0] for row in await pool.fetch(TOLD)] == ["fired"]
    await evaluator.look()
    assert [row[0] for row in await pool.fetch(TOLD)] == ["fired"]
    await pool.execute(SILENCE, datetime.now(UTC) + timedelta(hours=1))
    for _ in range(4):
        await site.minute_of(0.5)
    assert [row[0] for row in await pool.fetch(TOLD)] == [
        "fired",
        "resolved",
    ]  # who was told of it hears of its end


async def test_a_part_of_a_rule_that_names_something_unknown_is_told_once_and_again_when_it_is_there(
    site: Site,
) -> None:
    evaluator = await learned(site)
    site.rules.write_text(RULES + 'pairs = ["stage 0 -> nowhere"]\n')
    for _ in range(2):
        await evaluator.look()
        evaluator.forget()  # as a new process
    (told,) = await site.desk.pool.fetch(TRANSITIONS)
    assert told["transition"] == "invalid"
    assert "nowhere" in json.loads(told["content"])["reason"]
    site.rules.write_text(RULES)
    await evaluator.look()
    await evaluator.look()
    assert await site.transitions() == ["invalid", "released"]


async def test_an_evaluator_that_is_active_again_believes_what_another_told_meanwhile(site: Site) -> None:
    former = await learned(site)
    await former._term.close()
    await site.evaluator()
    await site.minute_of(0.03)
    await site.correct_the_last_minute()
    assert await site.transitions() == ["fired", "retracted"]
    await site.release()
    assert await former._term.hold()
    site.evaluators.append(former)
    await site.minute_of(0.5)
    await site.minute_of(0.03)
    assert await site.transitions() == ["fired", "retracted", "fired"]
