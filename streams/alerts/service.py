"""The process of alerts: evaluates the rules where no other process does, and delivers what was decided."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta

import structlog

from streams.alerts.channels import open_channels
from streams.alerts.delivery.channel import Channel
from streams.alerts.delivery.delivery import open_delivery
from streams.alerts.delivery.sender import Sender
from streams.alerts.evaluation.evaluator import Evaluator, OnLook
from streams.alerts.evaluation.term import Term, TermOverError
from streams.alerts.overview import Overview, read_overview
from streams.alerts.rule_file import RuleFile
from streams.alerts.rules import Rules
from streams.allocation import give_large_arrays_back
from streams.errors import SettingsError
from streams.settings import Settings
from streams.store.database import STATEMENT_SECONDS, Pool, close_soon, create_pool, facts_setting
from streams.store.installation import require_installation
from streams.store.keep_trying import Trouble, keep_trying

log = structlog.get_logger(__name__)

EVERY = 0.25
"""Seconds between two looks. A look without anything new is a few small queries: two milliseconds of CPU."""
DELIVERY_FIRST = 2.0
"""The most seconds for which the evaluator leaves the CPU to the senders, after a look with transitions."""
PATIENCE = timedelta(seconds=30)
"""The age of a proof from which nothing is decided, beside the time that windows may wait for writers."""


class AlertService:
    """Evaluates and delivers until cancelled; `evaluator` tells what was done.

    `looked_at` is when the last look, or the last look whether another process evaluates, has ended (of
    `time.monotonic`). `senders` are of the present rules.
    """

    def __init__(
        self, settings: Settings, pool: Pool, rules: RuleFile, on_look: OnLook = lambda *_: None
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._rules = rules
        name = f"{settings.instance} alerts {socket.gethostname()}:{os.getpid()}"
        self._term = Term(settings.facts_dsn, facts_setting(settings), name[:63])
        patience = settings.proof_wait + PATIENCE
        self.evaluator = Evaluator(
            pool, rules, settings.windows, patience, self._term, on_look, self._deliver_first
        )
        self.looked_at = time.monotonic()
        self.senders: Sequence[Sender] = ()
        self.trouble = Trouble("alerts cannot be evaluated")
        self._delivering: asyncio.Task[None] | None = None
        self._delivered: Rules | None = None

    @property
    def active(self) -> bool:
        """True while this process evaluates."""
        return self._term.number is not None

    @property
    def rules(self) -> RuleFile:
        """The rules, with the mistakes of a file that broke."""
        return self._rules

    async def overview(self) -> Overview:
        """Return what is on now. Raises errors of Postgres."""
        async with self._pool.acquire() as connection:
            return await read_overview(connection, sorted(self._rules.rules.receivers))

    async def run(self) -> None:
        """Evaluate and deliver. Never returns; raises errors that do not pass."""
        try:
            await keep_trying(self._work, self.trouble, EVERY, also=(TermOverError,))
        finally:
            await self._stop_delivery()
            await self._term.close()

    async def _work(self) -> None:
        was_active = self.active
        if not await self._term.hold():
            self.evaluator.forget()
            await self._stop_delivery()
            self.looked_at = time.monotonic()
            return
        if not was_active:
            log.info("this process evaluates alerts", rules=len(self._rules.rules.rule))
        self._keep_delivering()
        count = await self.evaluator.look()
        self.looked_at = time.monotonic()
        if count:
            log.info("alerts", transitions=count)

    def _keep_delivering(self) -> None:
        """Deliver with the receivers of the present rules."""
        task = self._delivering
        if task is not None and task.done():
            task.result()  # raises what does not pass
        if self._delivered is not None and self._delivered.receivers == self._rules.rules.receivers:
            return
        if task is not None:
            task.cancel()
        try:
            channels = open_channels(self._rules.rules, self._settings)
        except SettingsError as error:
            self.trouble.tell(error)
            channels = open_channels(Rules(), self._settings)
        self._delivered = self._rules.rules
        self._delivering = asyncio.create_task(self._deliver(channels))

    async def _deliver_first(self) -> None:
        """Wait until the senders have sent what was decided: memories of many pairs take seconds of CPU."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DELIVERY_FIRST):
                await asyncio.gather(*(sender.send_now() for sender in self.senders))

    async def _deliver(self, channels: Sequence[Channel]) -> None:
        async with open_delivery(self._settings, channels, lambda: datetime.now(UTC)) as delivery:
            self.senders = delivery.senders
            await delivery.run()

    async def _stop_delivery(self) -> None:
        task, self._delivering, self._delivered = self._delivering, None, None
        self.senders = ()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


async def run_alerts(
    settings: Settings,
    on_look: OnLook,
    beside: Callable[[AlertService], AbstractAsyncContextManager[object]],
) -> None:
    """Run the process of alerts until cancelled, inside of `beside`, for example a web site.

    Raises WrongRulesError with every mistake of the rule file, UnreachableError and PreconditionError as at the start
    of every command.
    """
    give_large_arrays_back()
    rules = RuleFile(settings.alert_rules, settings.windows)
    await _check(rules.rules, settings)
    pool = await create_pool(
        settings.facts_dsn,
        facts_setting(settings),
        min_size=1,
        max_size=2,
        application_name=f"{settings.instance} alerts",
        command_timeout=STATEMENT_SECONDS,
    )
    try:
        async with pool.acquire() as connection:
            await require_installation(connection, settings.instance)
        service = AlertService(settings, pool, rules, on_look)
        async with beside(service):
            await service.run()
    finally:
        await close_soon(pool)


async def _check(rules: Rules, settings: Settings) -> None:
    """Raise SettingsError for a receiver that cannot be made, before anything begins."""
    for channel in open_channels(rules, settings):
        await channel.close()
