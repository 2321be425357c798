"""A line between a client and a server, which a test cuts, mends, or lets be slow to tell that a session has ended."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Line:
    """Passes all bytes on between clients and the server of `dsn`; nobody else notices when the line is cut.

    Where `tells_ends` is false, a client does not learn that the server has ended its session until `cut` is called.
    """

    dsn: str
    tells_ends: bool = True
    own_port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def address(self) -> str:
        """The DSN to use in place of the server's own."""
        parts = urlsplit(self.dsn)
        return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.own_port}").geturl()

    async def mend(self) -> None:
        """Let connections through, on the same port each time."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.own_port)
        self.own_port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = urlsplit(self.dsn)
        far_reader, far_writer = await asyncio.open_connection(server.hostname, server.port)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await reader.read(65_536):
                writer.write(some)
                await writer.drain()
        if self.tells_ends:
            writer.close()
