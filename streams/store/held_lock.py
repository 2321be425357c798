"""A lock that one process of an installation holds for as long as the process works; other processes stand by."""

from streams.resources import sql
from streams.store.database import OwnConnection, close_soon, connect

ANSWER_SECONDS = 10.0
"""The most seconds of a statement: a session without an answer is lost."""


class HeldLock:
    """An advisory lock in a session of its own. The lock ends with the session, and the session with the process.

    `lock` is the statement that tries to take the lock. `name` is the session's name. `session` holds the lock while
    `held` is True.
    """

    def __init__(self, dsn: str, setting: str, name: str, lock: str) -> None:
        self._dsn = dsn
        self._setting = setting
        self._name = name
        self._lock = lock
        self.session: OwnConnection | None = None
        self.held = False

    async def hold(self) -> bool:
        """Return True if this process holds the lock, from now on or since an earlier call.

        Raises as `connect` does, and every error of a lost session, after which another process may hold the lock.
        """
        try:
            if self.session is None:
                self.session = await connect(
                    self._dsn, self._setting, application_name=self._name, command_timeout=ANSWER_SECONDS
                )
                await self.session.execute(sql("queries/store/epoch_keepalive"))
            if self.held:
                await self.session.execute("select")
            else:
                self.held = await self.session.fetchval(self._lock)
        except BaseException:
            await self.close()
            raise
        return self.held

    async def close(self) -> None:
        """Let another process hold the lock."""
        session, self.session, self.held = self.session, None, False
        if session is not None:
            await close_soon(session)
