"""The removal of a whole installation: from both databases, from Kafka, from Connect, and from this machine."""

import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from streams.cdc.connector import Connector
from streams.cdc.own_topics import OwnTopics
from streams.errors import PreconditionError
from streams.operations.report_removal import ReportRemoval, plan_report_removal
from streams.operations.source_removal import SourceRemoval
from streams.settings import Settings
from streams.store.database import OwnConnection, address, facts_connection
from streams.store.held_epoch import living_workers
from streams.store.installation import require_installation

_ROLES = (
    "the roles of sql/roles.sql, with their rights: an administrator drops them, see docs/installation.md"
)


@dataclass(frozen=True)
class Uninstall:
    """The remaining parts of an installation, and the sessions that remove the parts; made by `plan`."""

    settings: Settings
    report: OwnConnection
    source: SourceRemoval
    results: ReportRemoval
    connector: Connector
    topics: OwnTopics
    topic_names: Sequence[str]
    has_group: bool

    @classmethod
    async def plan(
        cls, settings: Settings, stack: AsyncExitStack, *, keep_facts: bool, force: bool
    ) -> "Uninstall":
        """Look at every server, and check every right; change nothing. The sessions close with `stack`.

        Raises PreconditionError if a worker lives (unless `force`), if the report database is another installation's,
        or if a right is missing; UnreachableError if a server does not answer.
        """
        connector, topics = Connector(settings), OwnTopics(settings)
        report = await stack.enter_async_context(facts_connection(settings))
        if await report.fetchval("select to_regclass('funnelproof.installation') is not null"):
            await require_installation(report, settings.instance)
            living = await living_workers(report)
            if living and not force:
                raise PreconditionError(
                    f"workers live ({', '.join(living)}): stop them first, or give --force"
                )
        await connector.require_own()
        names = [*topics.of_the_log, settings.facts_topic]
        return cls(
            settings,
            report,
            await SourceRemoval.plan(settings, stack, strict=True),
            await plan_report_removal(report, keep_facts=keep_facts),
            connector,
            topics,
            await topics.existing(names),
            await topics.has_group(),
        )

    @property
    def lines(self) -> list[str]:
        """One line for each part to be removed, with the part's place."""
        crm, facts = (address(dsn) for dsn in (self.settings.source_dsn, self.settings.facts_dsn))
        return [
            f"Kafka Connect: connector {self.settings.instance}, and its offsets",
            *(f"{crm}: {each}" for _, each in self.source.dropped),
            *(f"Kafka: topic {name}" for name in self.topic_names),
            *([f"Kafka: consumer group {self.settings.instance}"] if self.has_group else []),
            *(f"{facts}: {step.what}" for step in self.results.steps),
            *(f"this machine: {path}" for path in _folders(self.settings)),
        ]

    @property
    def left(self) -> list[str]:
        """A line for every part that stays."""
        elsewhere = (
            f"the folder {self.settings.state_dir} (FUNNELPROOF_STATE_DIR) on other machines with workers"
        )
        return [*self.source.left, *self.results.left, elsewhere, _ROLES]

    async def run(self) -> list[str]:
        """Remove everything, the capture first and the results last; return the lines.

        After a failure on the way, another plan has the parts that are left.
        """
        done = self.lines
        await self.source.run_with(self.connector)
        await self.topics.delete(self.topic_names)
        if self.has_group:
            await self.topics.delete_group()
        await self.results.run(self.report)
        for path in _folders(self.settings):
            shutil.rmtree(path)
        return done


def _folders(settings: Settings) -> list[Path]:
    """Return the folders of workers on this machine: the instance's folder, and folders that then hold no file."""
    own, faust = settings.state_dir / settings.instance, settings.state_dir / "faust"
    folders = [own] if own.is_dir() else []
    if faust.is_dir() and not any(path.is_file() for path in faust.rglob("*")):
        folders.append(faust)
    if settings.state_dir.is_dir() and set(settings.state_dir.iterdir()) <= set(folders):
        return [settings.state_dir]
    return folders
