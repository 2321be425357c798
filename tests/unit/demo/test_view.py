import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from rich.console import Console

from streams.demo.business import PIPELINES
from streams.demo.figures import ClosedWindow, FunnelStep, Revision, Totals, Verdict
from streams.demo.view import ALERTS_SHOWN, CLOSED_SHOWN, REVISIONS_SHOWN, Moment, ProgressLines, page

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LARGE = 1_234_567
FUNNEL = [
    FunnelStep(
        window_start=NOON,
        window_end=NOON + timedelta(minutes=1),
        from_stage=earlier.name,
        to_stage=later.name,
        entered_count=LARGE // (place + 1),
        converted_count=LARGE // (place + 2),
        conversion_rate=0.7654,
        as_of=NOON,
        looked_at=NOON + timedelta(seconds=0.3),
    )
    for place, (earlier, later) in enumerate(zip(PIPELINES[4].stages, PIPELINES[4].stages[1:], strict=False))
]
CLOSED = ClosedWindow("15s", NOON, NOON + timedelta(seconds=15), 12.34, 6, LARGE, LARGE, "estimated", 12)
REVISION = Revision(
    *("15s", NOON, PIPELINES[4].id, "Procurement", "Site visit", 2, LARGE, LARGE + 1, None, LARGE),
    causes=["deal_merged", "tenant_or_pipeline_moved"],
)

VERDICT = Verdict(
    UUID(int=1), "fired", NOON, PIPELINES[4].id, "Procurement", "Site visit", LARGE, LARGE, float(LARGE)
)


def moment(phase: str = "CRM writes for 60 s", seconds: float = 61.5, writes: int = LARGE) -> Moment:
    return Moment(
        phase,
        seconds,
        500.0,
        writes,
        LARGE,
        "1m",
        Totals(windows_closed=1234, runs=12345, revisions=12345, dead_letters=123),
        FUNNEL,
        [CLOSED] * CLOSED_SHOWN,
        [REVISION] * REVISIONS_SHOWN,
        [VERDICT] * 2 * ALERTS_SHOWN,
        "http://127.0.0.1:31999",
    )


def alerting(*transitions: str) -> Moment:
    """A moment with these transitions, the newest first."""
    alerts = [
        replace(
            VERDICT, event_id=UUID(int=number), transition=transition, entered_count=41, converted_count=3
        )
        for number, transition in enumerate(reversed(transitions))
    ]
    return replace(moment(), alerts=list(reversed(alerts)))


def drawn(shown: Moment) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=100, height=30, force_terminal=False).print(page(shown))
    return screen.getvalue().splitlines()


def test_the_fullest_page_fits_a_terminal_of_100_by_30() -> None:
    lines = drawn(moment())
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 100


def test_the_page_of_the_browser_is_named() -> None:
    line = "page http://127.0.0.1:31999"
    lines = drawn(moment())
    assert lines.count(line) == 1
    without = drawn(replace(moment(), page=None))
    assert (line in without, len(without)) == (False, len(lines))


def test_the_page_shows_the_funnel_its_age_and_what_was_revised() -> None:
    text = "\n".join(drawn(moment()))
    assert "Site visit → Proposal" in text
    assert "76.5\N{NO-BREAK SPACE}%" in text
    assert "as of 0.3 s ago" in text
    assert "12\N{NO-BREAK SPACE}s  estimated" in text
    assert "- → 1234567" in text
    assert "deal merged" in text
    assert "fired" in text
    assert "01:01" in text


def test_a_page_without_any_figures_says_so() -> None:
    text = "\n".join(drawn(Moment("CRM writes", 0, 0, 0, 0, "1m", Totals())))
    assert "no counts yet" in text
    assert "the first closes at its end" in text


def test_without_a_terminal_there_is_a_line_every_five_seconds_and_one_for_each_phase() -> None:
    said: list[str] = []
    with ProgressLines(said.append) as lines:
        for half_seconds in range(25):
            lines.show(replace(moment(seconds=half_seconds / 2, writes=half_seconds), alerts=()))
        lines.show(replace(moment("comparing", seconds=12.5), alerts=()))
    assert [line.split(",")[0] for line in said] == [
        "CRM writes for 60 s",
        "   0 s  0 writes",
        "   5 s  10 writes",
        "  10 s  20 writes",
        "comparing",
        "  12 s  1",
    ]


def test_without_a_terminal_every_transition_of_an_alert_has_one_line() -> None:
    said: list[str] = []
    with ProgressLines(said.append) as lines:
        lines.show(alerting("fired"))
        lines.show(alerting("retracted", "fired"))
        lines.show(alerting("retracted", "fired"))
    pair = "Cobalt Health / Clinics: Procurement → Site visit"
    assert [line for line in said if "alert" in line] == [
        f"  62 s  alert fired: {pair}, 3 of 41 converted, 1234567 expected",
        f"  62 s  alert retracted: {pair}, a correction has changed the numbers",
    ]
