"""The demo from beginning to end: from an empty folder to a funnel followed, published, revised and proven."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn, TypeVar

import asyncpg
from rich.console import Console

from streams.demo.browser import open_in_browser
from streams.demo.crm import Crm
from streams.demo.events import EventCounter
from streams.demo.figures import Figures
from streams.demo.folder import temporary_folder
from streams.demo.interrupts import Interrupts
from streams.demo.observer import Observer
from streams.demo.options import DemoOptions
from streams.demo.plan import Plan
from streams.demo.programs import LOG, DemoPrograms, demo_programs
from streams.demo.setup import demo_settings, demo_variables, set_up
from streams.demo.summary import DemoResult
from streams.demo.view import LiveView, ProgressLines
from streams.domain.windows import from_microseconds, to_microseconds
from streams.errors import FunnelproofError
from streams.local.stack import LocalStack
from streams.publish.backfill import Backfill
from streams.reconciliation import reconcile
from streams.settings import Settings
from streams.store.database import create_pool, facts_setting
from streams.store.keep_trying import PASSING_ERRORS

_Result = TypeVar("_Result")
PAST = timedelta(minutes=10)
"""The CRM's past: 40 windows of 15 s, of which alerts learn."""
_FIRST_PROOF = 90.0
_PAGE = 60.0
_SETTLING = 45.0
_CATCHING_UP = 10.0
_LAST_WINDOWS = timedelta(seconds=20)
"""The longest wait for a window's end after the writing; a window that ends later stays open and is not compared."""


class DemoError(FunnelproofError):
    """The demo cannot go on; the message gives the reason."""


def run_demo(options: DemoOptions, console: Console, show: Callable[[DemoResult], None]) -> DemoResult:
    """Run the demo in the main thread, and return the result; `console` gets the progress.

    `show` gets the result: at the end, or if the page stays live after the result (`options.stay`), before.
    In every case no process is left running, and without `options.data_dir` no file is left. Raises
    KeyboardInterrupt if a signal ended the demo at once, FunnelproofError if a part of the demo failed.
    """
    began = time.monotonic()
    with Interrupts() as interrupts, _stack(options, console) as stack, stack.running() as environment:
        variables = demo_variables(environment, stack.data_dir)
        story = _Story(options, demo_settings(variables), console, interrupts, began, show)
        try:
            result = asyncio.run(story.tell(variables, stack.data_dir))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        except (asyncpg.PostgresError, *PASSING_ERRORS) as error:
            raise DemoError(
                f"a server of the demo failed ({str(error) or type(error).__name__}): "
                "run the demo again with --data-dir, and look at the logs in that folder"
            ) from error
        finally:
            interrupts.ignore()  # stopping the servers must not be interrupted
            story.say("stopping everything")
    if not options.stay:
        show(result)
    return result


@contextmanager
def _stack(options: DemoOptions, console: Console) -> Iterator[LocalStack]:
    if options.data_dir:
        yield LocalStack(options.data_dir, console=console)
        return
    with temporary_folder() as folder:
        stack = LocalStack(folder, console=console)
        try:
            yield stack
        finally:
            stack.erase()


class _Story:
    """A single run of the demo."""

    def __init__(
        self,
        options: DemoOptions,
        settings: Settings,
        console: Console,
        interrupts: Interrupts,
        began: float,
        show: Callable[[DemoResult], None],
    ) -> None:
        self._options = options
        self._settings = settings
        self._console = console
        self._interrupts = interrupts
        self._began = began
        self._show = show
        self._backfilled = 0

    def say(self, line: str) -> None:
        """Print a line of progress."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    async def tell(self, variables: dict[str, str], folder: Path) -> DemoResult:
        """Set up, let the CRM write while the observer looks on, and return the result."""
        self._interrupts.cancel_current_task()
        settings, options = self._settings, self._options
        # A kept data folder holds the rows of earlier runs, and repeated identifiers would meet these rows.
        plan = Plan(options.seed, options.rate, random.SystemRandom() if options.data_dir else None)
        crm = Crm(settings, plan)
        past_from, rows = await crm.write_past(PAST)
        if rows:
            self.say(f"CRM: has a past of {PAST / timedelta(minutes=1):g} minutes, {rows:,} rows")
        await set_up(settings)
        self.say("schema: migrated; Debezium: follows the CRM")
        async with AsyncExitStack() as stack:
            pool = await create_pool(settings.facts_dsn, facts_setting(settings), application_name="demo")
            stack.push_async_callback(pool.close)
            figures = Figures(pool)
            programs = await stack.enter_async_context(demo_programs(variables, folder))
            watch = programs.supervisor.watch
            programs.start("worker-1")
            await _first_of(self._first_proof(figures), watch())
            programs.start(*(["page"] if options.page else []))
            events = await stack.enter_async_context(EventCounter(settings))
            await _first_of(self._close_past(figures, past_from), watch())
            programs.start("alertmanager", "alerts")
            shown = f", shown at {programs.alertmanager}" if programs.alertmanager else ""
            self.say(f"alerts: evaluated{shown}")
            page = programs.page.url if options.page else None
            if page:
                await _first_of(self._show_page(programs), watch())
            view = LiveView(self._console) if options.live else ProgressLines(self.say)
            observer = Observer(view, figures, crm, events, settings.windows[-1], page)
            play = self._play(crm, figures, events, observer)
            result = await _first_of(play, watch(), events.run(), observer.run())
            if options.stay:
                await _first_of(self._stay(result, programs), watch())
            return result

    async def _show_page(self, programs: DemoPrograms) -> None:
        if not await _until(programs.page_is_up, _PAGE):
            raise DemoError(
                f"the page did not start within {_PAGE:.0f} s: run the demo again with --data-dir,"
                f" and look at {LOG} in that folder"
            )
        self.say(f"page: {programs.page.url}")
        if self._options.browser:
            await asyncio.to_thread(open_in_browser, programs.page.url)

    async def _stay(self, result: DemoResult, programs: DemoPrograms) -> None:
        """Show the result, and keep the page live until Ctrl-C."""
        self._show(result)
        self.say(f"the page stays live at {programs.page.url} until Ctrl-C")
        stop = asyncio.Event()
        with self._interrupts.setting(stop):
            await stop.wait()

    async def _close_past(self, figures: Figures, start: datetime) -> None:
        done = await Backfill(self._settings, start, await figures.now()).run()
        self._backfilled = done.windows_closed
        if done.windows_closed:
            self.say(f"backfill: {done.windows_closed} windows of the past closed in {done.seconds:.1f} s")

    async def _first_proof(self, figures: Figures) -> None:
        started = await figures.now()
        if not await _until(lambda: figures.proven_since(started), _FIRST_PROOF):
            raise DemoError(
                f"the worker proved nothing within {_FIRST_PROOF:.0f} s: run the demo again with --data-dir,"
                f" and look at {LOG} in that folder"
            )
        self.say("worker: follows the log, first proof done")

    async def _play(self, crm: Crm, figures: Figures, events: EventCounter, observer: Observer) -> DemoResult:
        setup_seconds = time.monotonic() - self._began
        writing_from, writing_since = await figures.now(), time.monotonic()
        await self._write(crm, observer)
        writing_seconds = time.monotonic() - writing_since
        await self._settle(figures, observer)
        observer.phase = "comparing with the canonical SQL"
        comparison = await reconcile(self._settings)
        await events.catch_up(_CATCHING_UP)
        totals, alerts = await figures.totals(), await figures.alert_counts()
        median, slowest = await figures.delays(writing_from)
        return DemoResult(
            windows_closed=totals.windows_closed,
            runs=totals.runs,
            revisions=totals.revisions,
            mismatches=len(comparison.differences),
            undecided=len(comparison.undecided),
            runs_compared=comparison.runs,
            pairs_compared=comparison.pairs,
            writes=crm.writes.total(),
            events=events.count,
            seconds=round(time.monotonic() - self._began, 1),
            setup_seconds=round(setup_seconds, 1),
            writing_seconds=round(writing_seconds, 1),
            publish_seconds={"median": median, "slowest": slowest},
            estimated=totals.estimated,
            dead_letters=totals.dead_letters,
            seed=self._options.seed,
            rate=self._options.rate,
            writes_by_kind={str(kind): count for kind, count in crm.writes.items()},
            rolled_back=crm.rolled_back,
            revision_causes=await figures.causes(),
            reason=comparison.reason,
            windows_backfilled=self._backfilled,
            alerts_fired=alerts.fired,
            alerts_resolved=alerts.resolved,
            alerts_retracted=alerts.retracted,
        )

    async def _write(self, crm: Crm, observer: Observer) -> None:
        """Let the CRM write until the duration is over or until Ctrl-C."""
        stop, duration = asyncio.Event(), self._options.duration
        observer.phase = f"CRM writes for {duration:g} s" if duration else "CRM writes until Ctrl-C"
        timer = asyncio.get_running_loop().call_later(duration, stop.set) if duration else None
        with self._interrupts.setting(stop):
            await crm.run(stop)
        if timer:
            timer.cancel()

    async def _settle(self, figures: Figures, observer: Observer) -> None:
        """Wait for the windows of the last writes, and for the revisions.

        The comparison finds a window that is still missing after the wait `undecided`.
        """
        now = await figures.now()
        until = _last_end(self._settings, now)
        observer.phase = f"CRM is done; waiting for windows up to {until:%H:%M:%S} UTC and their revisions"
        await _until(lambda: figures.settled(until), (until - now).total_seconds() + _SETTLING)


def _last_end(settings: Settings, now: datetime) -> datetime:
    """Return the last end among the windows that hold `now` and end within `_LAST_WINDOWS`.

    If every window ends later, return the first end.
    """
    at = to_microseconds(now)
    ends = [from_microseconds(kind.window_at(at).end) for kind in settings.window_kinds]
    return max((end for end in ends if end - now <= _LAST_WINDOWS), default=min(ends))


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Ask until the condition holds; return False if the condition did not hold within `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.25)
            return True
    return False


async def _first_of(
    work: Coroutine[None, None, _Result], *watchers: Coroutine[None, None, NoReturn]
) -> _Result:
    """Return the result of `work`, or raise the first watcher's error; afterwards `work` and watchers are cancelled."""
    working = asyncio.create_task(work)
    watching: list[asyncio.Task[NoReturn]] = [asyncio.create_task(watcher) for watcher in watchers]
    try:
        done, _ = await asyncio.wait([working, *watching], return_when=asyncio.FIRST_COMPLETED)
        for watcher in watching:
            if watcher in done:
                watcher.result()
        return working.result()
    finally:
        for task in (working, *watching):
            task.cancel()
        await asyncio.gather(working, *watching, return_exceptions=True)
