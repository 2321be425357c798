"""The removal of an installation's objects from the CRM's database, by whichever role has the right."""

from contextlib import AsyncExitStack

from streams.cdc.connector import Connector
from streams.cdc.source_objects import (
    FUNCTION,
    PUBLICATION,
    SLOT,
    TRIGGER,
    SourceObject,
    drop_object,
    read_objects,
)
from streams.errors import PreconditionError, SettingsError, UnreachableError
from streams.settings import Settings
from streams.store.database import OwnConnection, connect, source_connection

_CDC_SETTING = "FUNNELPROOF_CDC_DSN"


class SourceRemoval:
    """The removal of the installation's objects from the CRM's database; made by `plan`, which checks the rights."""

    def __init__(self) -> None:
        self.dropped: list[tuple[OwnConnection, SourceObject]] = []
        self.left: list[str] = []

    @classmethod
    async def plan(cls, settings: Settings, stack: AsyncExitStack, *, strict: bool) -> "SourceRemoval":
        """Find the objects and, for each, a session whose role may drop it: that of SOURCE_DSN or of CDC_DSN.

        The sessions close with `stack`. An object that other programs rest on is left. Raises PreconditionError with
        the statements that nobody here may run; unless `strict`, an object that is right may stay instead.
        """
        plan = cls()
        source = await stack.enter_async_context(source_connection(settings))
        found = await read_objects(source, settings.instance)
        by_cdc: dict[str, SourceObject] = {}
        cdc = source
        if settings.cdc_dsn is not None and not all(each.may_drop for each in found):
            cdc = await _cdc_session(settings, stack) or source
            by_cdc = {each.kind: each for each in await read_objects(cdc, settings.instance) if each.may_drop}
        missing = []
        for each in found:
            if not each.is_own:
                plan.left.append(f"{each}: another program or installation rests on it")
            elif each.kind == FUNCTION and any(left.startswith(TRIGGER) for left in plan.left):
                plan.left.append(f"{each}: its trigger stays")
            elif each.may_drop:
                plan.dropped.append((source, each))
            elif each.kind in by_cdc:
                plan.dropped.append((cdc, each))
            elif each.is_right and each.kind in (PUBLICATION, TRIGGER, FUNCTION) and not strict:
                plan.left.append(f"{each}: the role may not drop it, and it is as the next log needs it")
            else:
                missing.append(f"{each.statement};")
        if missing:
            raise PreconditionError(
                "the role of FUNNELPROOF_SOURCE_DSN may not remove this from the CRM's database: nothing was removed. "
                "Let an administrator stop the connector and run this there, or grant the rights:\n\n"
                + "\n".join(missing)
            )
        return plan

    async def run_with(self, connector: Connector) -> tuple[bool, list[str]]:
        """Drop the objects and delete the connector with its offsets; return True if it existed, and a text for each.

        The connector stops before the trigger goes, and lets the slot go before the slot is dropped.
        """
        await connector.stop()
        done = await self._drop(TRIGGER, FUNCTION)
        existed = await connector.delete(offsets=True)
        done += [f"{connector}, with its offsets"] if existed else []
        return existed, done + await self._drop(SLOT, PUBLICATION)

    async def _drop(self, *kinds: str) -> list[str]:
        """Drop the objects of these kinds; return a text for each. The trigger needs a moment without writers."""
        done = []
        for connection, each in self.dropped:
            if each.kind in kinds:
                await drop_object(connection, each)
                done.append(str(each))
        return done


async def _cdc_session(settings: Settings, stack: AsyncExitStack) -> OwnConnection | None:
    """Return a session with the connector's role; None if only Kafka Connect reaches the address."""
    try:
        session = await connect(settings.cdc_dsn or "", _CDC_SETTING)
    except (UnreachableError, SettingsError):  # the files of the address lie where Connect runs
        return None
    stack.push_async_callback(session.close)
    return session
