"""TLS before real servers: a front decrypts, asks for a password where wanted, and passes the bytes on."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)


@dataclass(frozen=True)
class Front:
    """Listens at a port of 127.0.0.1 for a server at `target`.

    `postgres`: clients ask for TLS first, as Postgres' protocol says. `login`: the user and password, with a colon
    between them, that an HTTP client must show. `clients`: the authority whose certificates clients must show.
    """

    target: tuple[str, int]
    certificate: Path
    postgres: bool = False
    login: str | None = None
    clients: Path | None = None

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Serve on a thread of its own, since tests block theirs; yield the port."""
        loop = asyncio.new_event_loop()
        thread = Thread(target=loop.run_forever, daemon=True)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), loop).result(10)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=None if self.postgres else self._context()
        )

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        if self.clients is not None:
            context.load_verify_locations(self.clients)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            head = b""
            if self.postgres:
                if await reader.readexactly(8) != _SSL_REQUEST:
                    return writer.close()
                writer.write(b"S")
                await writer.start_tls(self._context())
            elif self.login is not None:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"basic " + b64encode(self.login.encode()).lower() not in head.lower():
                    writer.write(
                        b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    )
                    await writer.drain()
                    return writer.close()
            upstream_reader, upstream = await asyncio.open_connection(*self.target)
            upstream.write(head)
            await asyncio.gather(_pass_on(reader, upstream), _pass_on(upstream_reader, writer))
        return writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
