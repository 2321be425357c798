"""`funnelproof top`: its picture, on a report database as workers would have left it, and the command itself."""

import asyncio
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from rich.console import Console

from streams.errors import PreconditionError, SettingsError
from streams.settings import PREFIX, Settings
from streams.terminal.following import Follower, Seen
from streams.terminal.picture import Picture
from streams.web.database import open_database
from tests import programs
from tests.integration.web.conftest import Town
from tests.integration.web.desk import DAY, NOW
from tests.line import Line

TODAY = ("day", NOW.replace(hour=0, minute=0, second=0), NOW.replace(hour=0, minute=0, second=0) + DAY)
DOUBT = "insert into funnelproof.doubt (kind, reason) values ('marker', 'a marker did not come')"
ESTIMATED = (
    "update funnelproof.prover set completeness = 'estimated', reasons = '{1 event could not be applied}'"
)
PUBLISHED = "select nextval(pg_get_serial_sequence('funnelproof.outbox', 'event_id'))"
EVER = -3600.0
"""An age that keeps a flush fresh for as long as a command takes to start on a busy machine."""


@pytest.fixture
async def named(town: Town) -> Town:
    """The town with labels and fresh numbers."""
    for kind, identifier, label in (
        ("tenant", town.acme, "Acme [1]"),
        ("pipeline", town.sales, "New business"),
        ("tenant", town.other, "Brix"),
        ("pipeline", town.theirs, "Freight"),
    ):
        await town.desk.label(kind, identifier, label)
    await town.desk.flush(age=EVER, proof_age=EVER)
    return town


async def picture(
    town: Town,
    pipeline: str | None = None,
    tenant: str | None = None,
    window: str | None = None,
    width: int = 80,
) -> str:
    """Look once, and draw; the text has usual blanks, and none at the ends of lines."""
    async with open_database(Settings(source_dsn=town.dsn)) as database:
        seen = (await Follower.begin(database, tenant, pipeline, window)).seen
    screen = io.StringIO()
    Console(file=screen, width=width).print(Picture(seen))
    lines = screen.getvalue().replace("\N{NO-BREAK SPACE}", " ").splitlines()
    assert max(map(len, lines)) <= width
    return "\n".join(line.rstrip() for line in lines)


async def test_the_picture_has_the_numbers_of_the_page_and_fits_80_columns(named: Town) -> None:
    await named.desk.reconciled()
    await named.desk.judge("day", age=EVER)
    await named.desk.expect((named.acme, named.sales), TODAY, 20, 0.449, learned=True)
    await named.desk.age((named.acme, named.sales), TODAY, (120, 30))
    shown = await picture(named, "new business")
    lines = shown.splitlines()
    assert lines[0] == "Acme [1] / New business"
    assert lines[1] == "● Live: 0.0 s behind the CRM; proven 0 s ago"
    assert "Day: Wed 10 Jun 2026  open until 11 Jun, 00:00, times in UTC" in lines
    assert "No alert is on. 1 rule judges windows of this kind." in lines
    for row in (
        r"Lead → Qualified +120 +█+ +30 +25\.0 % +44\.9 %, 32 to 57",
        r"Qualified → Demo +60 +█+ +20 +33\.3 %",
        r"Demo → Won +20 +█+ +5 +25\.0 %",
        r"Tue 9 Jun 2026 +701 +310 +2\.0 s +proven +1",
        r"Sun 7 Jun 2026 +704 +311 +2\.0 s +proven +2 +an entry was m…",
    ):
        assert re.search(rf"^{row}$", shown, re.MULTILINE), shown
    assert "all 36 numbers equal the SQL" in shown


async def test_numbers_that_are_late_old_or_in_doubt_are_called_so_with_the_reason(named: Town) -> None:
    desk = named.desk
    await desk.flush(age=20)
    late = await picture(named, "Freight")
    await desk.flush(age=300)
    old = await picture(named, "Freight")
    await desk.flush(age=EVER, proof_age=EVER)
    await desk.connection.execute(DOUBT)
    doubted = await picture(named, "Freight")
    await desk.connection.execute("delete from funnelproof.doubt")
    await desk.connection.execute(ESTIMATED)
    estimated = await picture(named, "Freight")
    await desk.connection.execute("delete from funnelproof.partition_progress")
    loading = await picture(named, "Freight")
    second = [each.splitlines()[1] for each in (late, old, doubted, estimated, loading)]
    assert re.match(r"▲ Late: 2\d s behind \(partition 0, worker one\)", second[0])
    assert second[1].startswith("✗ Not live: 5 min old (partition 0, worker one, has stopped)")
    assert second[2].startswith("! In doubt: ")
    assert "results are estimates: a marker did not come" in doubted
    assert second[3].startswith("! In doubt: ")
    assert "results are estimates: 1 event could not be applied" in estimated
    assert second[4].startswith("○ Loading: ")
    for each in (late, old, doubted, estimated, loading):
        assert "`funnelproof status` says what to do" in each


async def test_the_page_is_in_doubt_for_the_same_reasons(named: Town, client: httpx.AsyncClient) -> None:
    await named.desk.connection.execute(ESTIMATED)
    health = (await client.get("/api/v1/health")).json()
    assert (health["state"], health["doubts"]) == ("in_doubt", ["1 event could not be applied"])
    page = (await client.get("/", params=named.where)).text
    assert "every result is an estimate, because 1 event could not be applied" in page


async def test_alerts_that_fire_are_shown_those_of_other_windows_too(named: Town) -> None:
    await named.desk.judge("day", age=EVER)
    await named.desk.fire(named.acme, named.sales, *TODAY)
    await named.desk.fire(named.other, named.theirs, *TODAY)
    day = await picture(named, tenant="acme")
    assert "Lead → Qualified is dropping: 25.0 %, expected 44.9 %." in day
    hour = await picture(named, tenant="acme", window="hour")
    for shown in (day, hour):
        told = " ".join(shown.split())
        assert (
            "Alert firing: day Lead → Qualified, 25.0 %, 44.9 % expected, since 10 Jun 2026, 10:20:30" in told
        )
        assert "1 alert is on in other pipelines: `funnelproof alerts list`" in told


async def test_a_pipeline_is_chosen_by_label_part_of_a_label_or_id(named: Town) -> None:
    for pipeline, tenant in (
        ("NEW BUSINESS", None),
        ("busi", None),
        (str(named.sales), None),
        (str(named.sales)[:8], None),
        (None, str(named.acme)),
        ("new", "acme [1]"),
    ):
        assert (await picture(named, pipeline, tenant)).startswith("Acme [1] / New business\n")


async def test_a_label_in_full_is_preferred_and_equal_labels_are_told_apart_by_their_ids(named: Town) -> None:
    await named.desk.connection.execute(
        "update funnelproof.label set name = 'New business, old' where id = $1", named.theirs
    )
    assert (await picture(named, "new business")).startswith("Acme [1] / ")
    await named.desk.connection.execute(
        "update funnelproof.label set name = case kind when 'tenant' then 'Acme' else 'New' end"
    )
    with pytest.raises(PreconditionError, match="choose a pipeline with --pipeline and --tenant") as error:
        await picture(named, "New")
    for identifier in (named.sales, named.theirs):
        assert f"Acme / New ({identifier})" in str(error.value)


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        ({}, PreconditionError, "Acme [1] / New business"),
        ({"pipeline": "nope"}, PreconditionError, "no pipeline has --pipeline nope; known: "),
        (
            {"pipeline": "new", "tenant": "brix"},
            PreconditionError,
            "no pipeline has --tenant brix --pipeline new",
        ),
        (
            {"pipeline": "new", "window": "week"},
            SettingsError,
            "--window week is no window that is counted: hour",
        ),
    ],
)
async def test_a_choice_that_means_nothing_names_what_is_there(
    named: Town, words: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as raised:
        await picture(named, **words)
    assert told in str(raised.value)


async def test_a_pipeline_without_a_window_says_so(named: Town) -> None:
    await named.desk.connection.execute("delete from funnelproof.time_window where closed_at is null")
    assert "No numbers: the pipeline has no window at this instant." in await picture(
        named, "new", window="hour"
    )


async def test_a_follower_reads_closed_windows_only_after_a_new_run(named: Town) -> None:
    async with open_database(Settings(source_dsn=named.dsn)) as database:
        follower = await Follower.begin(database, None, "new", None)
        first = follower.seen.view
        await named.desk.flush(age=EVER, proof_age=EVER)
        await follower.look()
        second = follower.seen.view
        start = TODAY[1] - DAY
        await named.desk.close(
            named.acme, named.sales, "day", start, start + DAY, [(1, 1), (0, 0), (0, 0)], revision=2
        )
        await named.desk.connection.execute(PUBLISHED)
        await named.desk.flush(age=EVER, proof_age=EVER)
        await follower.look()
        third = follower.seen.view
    assert first is not None
    assert second is not None
    assert third is not None
    assert second is not first
    assert second.history is first.history
    assert [view.history.windows[-1].revision for view in (first, third)] == [1, 2]


async def test_a_database_that_goes_away_is_told_with_the_age_and_the_numbers_stay(named: Town) -> None:
    line = Line(named.dsn)
    await line.mend()
    seen: list[Seen] = []
    async with open_database(Settings(source_dsn=line.address)) as database:
        follower = await Follower.begin(database, None, "new", None)
        following = asyncio.create_task(follower.follow(seen.append))
        line.cut()
        async with asyncio.timeout(20):
            while not [each for each in seen if each.health.state == "not_live"]:
                await asyncio.sleep(0.05)
            told = seen[-1]
            await line.mend()
            while not [each for each in seen[seen.index(told) :] if each.health.state == "live"]:
                await asyncio.sleep(0.05)
        assert re.match(r"Not live: \d s old \(the report database", told.health.message)
        assert told.view is not None
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    line.cut()


def environment(town: Town, **more: str) -> dict[str, str]:
    outside = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    return outside | {f"{PREFIX}SOURCE_DSN": town.dsn, "TERM": "xterm-256color"} | more


async def top(town: Town, *words: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(programs.run, ["top", *words], environment(town), 60)


async def test_without_a_terminal_the_command_prints_once_and_its_exit_status_tells_whether_it_is_live(
    named: Town,
) -> None:
    live = await top(named, "--pipeline", "new", "--once")
    assert (live.returncode, live.stderr) == (0, "")
    assert live.stdout.startswith("Acme [1] / New business")
    await named.desk.flush(age=20)
    late = await top(named, "--pipeline", "new", "--json")
    told = json.loads(late.stdout)
    assert (late.returncode, told["health"]["state"], told["pipeline"]) == (1, "late", "New business")
    assert told["funnel"]["pairs"][0]["counts"]["entered"] == 120
    refused = await top(named, "--pipeline", "nope")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


@contextmanager
def terminal(town: Town, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the command in a terminal of 80 by 24 characters."""
    mine, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))
    process = subprocess.Popen(
        [sys.executable, "-m", "streams", "top", *words],
        env=environment(town), stdin=its, stdout=its, stderr=its, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    try:
        yield process, mine
    finally:
        process.kill()
        process.wait()
        os.close(mine)


def read_until(mine: int, words: str, seconds: float = 30) -> str:
    """Read what the terminal shows until these words come; return all that came."""
    deadline, shown = time.monotonic() + seconds, ""
    while words not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([mine], [], [], 0.1)[0]:
            shown += os.read(mine, 65536).decode("utf-8", "replace")
    return shown


@pytest.mark.thorough
async def test_in_a_terminal_a_flush_is_on_the_screen_within_a_second_and_ctrl_c_gives_the_terminal_back(
    named: Town,
) -> None:
    desk = named.desk
    with terminal(named, "--pipeline", "new") as (process, mine):
        first = await asyncio.to_thread(read_until, mine, "Demo → Won")
        assert "\x1b[?1049h" in first  # the screen beside the usual one
        assert "Ctrl-C ends" in first
        delays = []
        for number in range(1, 6):
            await desk.count(named.acme, named.sales, *TODAY, [(7000 + number, 30), (60, 20), (20, 5)])
            began = time.monotonic()
            await desk.flush(age=EVER, proof_age=EVER)
            await asyncio.to_thread(read_until, mine, f"7,00{number}")
            delays.append(time.monotonic() - began)
        assert sorted(delays)[2] < 1, delays
        process.send_signal(signal.SIGINT)
        last = await asyncio.to_thread(read_until, mine, "\x1b[?1049l")
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert "\x1b[?25h" in last  # the cursor is back
        assert "Traceback" not in last
