"""A server whose every byte the test decides: for answers that are slow, broken, or hostile."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came. Names of fields are in lower case; `body` has its chunks joined."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes


class ClientGone(Exception):
    """The client closed while the script waited for more; ends the script quietly when it is not caught."""


class Peer:
    """The server's end of one connection, in the hands of a script. `number` is 1 for the first connection."""

    def __init__(
        self, server: "ScriptedServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.number = number
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> ReceivedRequest:
        """The next whole request; `ClientGone` when the client closes instead."""
        head = await self.head()
        request = ReceivedRequest(head.method, head.target, head.fields, await self._body(head.fields))
        self._server.requests.append(request)
        return request

    async def head(self) -> ReceivedRequest:
        """The next request's head; its body is left unread."""
        line, *lines = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        pairs = (each.split(": ", 1) for each in lines if each)
        return ReceivedRequest(method, target, {name.lower(): value for name, value in pairs}, b"")

    async def chunk(self) -> bytes:
        """The next chunk of a body, empty for the last."""
        size = int(await self._until(b"\r\n"), 16)
        return (await self._exactly(size + len(b"\r\n")))[:size]

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; returns when the kernel has nearly all of them."""
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise ClientGone from error

    async def answer(self, body: bytes = b"", *, status: int = 200, fields: str = "") -> None:
        """Send a whole answer; `fields` are lines with their ends."""
        head = f"HTTP/1.1 {status} Scripted\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
        await self.send(head.encode("latin-1") + body)

    async def gone(self) -> None:
        """Return when the client has closed; what it still sends is dropped."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(64 * 1024):
                pass

    def close(self) -> None:
        """Close in good order, once everything is sent."""
        self._writer.close()

    def reset(self) -> None:
        """Close at once, with a reset."""
        no_lingering = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
        self._writer.transport.abort()

    async def _body(self, fields: dict[str, str]) -> bytes:
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while chunk := await self.chunk():
                body += chunk
            return body
        return await self._exactly(int(fields.get("content-length", "0")))

    async def _until(self, end: bytes) -> bytes:
        try:
            return (await self._reader.readuntil(end))[: -len(end)]
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ClientGone from error

    async def _exactly(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ClientGone from error


Script: TypeAlias = Callable[[Peer], Awaitable[None]]
"""What the server does with one connection; when it returns, the connection closes."""


class ScriptedServer:
    """Listens on a free port of 127.0.0.1 while it is entered, and runs `script` for every connection.

    `requests` are those read whole, in order; `connections` counts all, `open_connections` those not closed
    yet. What a script raises, `ClientGone` left out, is raised when the server is left: a test cannot miss
    it.
    """

    def __init__(self, script: Script) -> None:
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.port = 0
        self._script = script
        self._running: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self._changed = asyncio.Event()
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """Connections whose script still runs."""
        return len(self._running)

    async def until_open_connections(self, count: int) -> None:
        """Suspend until exactly `count` connections are open."""
        while self.open_connections != count:
            self._changed.clear()
            await self._changed.wait()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop_listening()
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        if self._failures and exc is None:
            raise self._failures[0]

    def stop_listening(self) -> None:
        """New connections are refused; those that are open go on."""
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._running.add(task)
        self._changed.set()
        try:
            await self._script(Peer(self, reader, writer, self.connections))
        except ClientGone:
            pass
        except asyncio.CancelledError:
            writer.transport.abort()  # the test is over
        except Exception as error:
            self._failures.append(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._running.discard(task)
            self._changed.set()


async def answer_all(peer: Peer, body: bytes = b"{}") -> None:
    """A script: answer every request with status 200 and `body`, on one connection after the other."""
    while True:
        await peer.request()
        await peer.answer(body)
