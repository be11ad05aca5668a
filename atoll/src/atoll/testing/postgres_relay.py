"""Stands between clients and a real PostgreSQL server, and loses what it is told to lose."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""What a client asks before TLS: https://www.postgresql.org/docs/current/protocol-message-formats.html"""

Cut = Literal["before", "after"]


@dataclass(eq=False)
class PostgresRelay:
    """Forwards connections to the server at `server_url`, until told to do otherwise.

    `is_away` refuses new connections. `cut_at` ends a connection when its client sends such bytes: `cut` says
    whether they are lost, or the server gets them and only its answer is lost. With `tls`, clients may ask for TLS.
    """

    server_url: str
    tls: ssl.SSLContext | None = None
    is_away: bool = False
    cut_at: bytes = b""
    cut: Cut = "before"
    connections: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where clients find the server behind us."""
        assert self._server is not None
        parts = urlsplit(self.server_url)
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))

    def lose_all(self) -> None:
        """Cut every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _forward(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.server_url)
        if self.is_away:
            to_client.transport.abort()
            return
        self.connections += 1
        server, to_server = await asyncio.open_connection(parts.hostname, parts.port)
        ends = {to_client, to_server}
        self._writers |= ends
        try:
            with contextlib.suppress(OSError, EOFError):
                await asyncio.gather(self._upward(client, to_client, to_server), _pump(server, to_client))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _upward(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter, to_server: asyncio.StreamWriter
    ) -> None:
        while chunk := await client.read(65536):
            if chunk == SSL_REQUEST and self.tls is not None:
                to_client.write(b"S")
                await to_client.start_tls(self.tls)
                continue
            if self.cut_at and self.cut_at in chunk:
                await self._cut(chunk, to_server)
                return
            to_server.write(chunk)
            await to_server.drain()
        raise EOFError

    async def _cut(self, chunk: bytes, to_server: asyncio.StreamWriter) -> None:
        self.cut_at = b""
        if self.cut == "after":
            to_server.write(chunk)
            await to_server.drain()
            to_server.write_eof()
        raise EOFError


@contextlib.asynccontextmanager
async def postgres_relay(server_url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[PostgresRelay]:
    """A relay to the database at `server_url`, on a free port."""
    relay = PostgresRelay(server_url, tls)
    relay._server = await asyncio.start_server(relay._forward, "127.0.0.1", 0)
    try:
        yield relay
    finally:
        relay._server.close()
        relay.lose_all()
        await relay._server.wait_closed()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        target.write(chunk)
        await target.drain()
    raise EOFError
