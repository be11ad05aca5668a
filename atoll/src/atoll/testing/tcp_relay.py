"""A small TCP relay that stands between two programs and spoils what goes through, as a bad network would."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Delay:
    """Each piece of an answer comes `seconds` later."""

    seconds: float


@dataclass(frozen=True)
class BlackHole:
    """Connections are accepted and requests read, and nothing ever comes back."""


@dataclass(frozen=True)
class Reset:
    """The connection is reset when the answer comes."""


@dataclass(frozen=True)
class HalfClose:
    """Instead of the answer comes the end of the stream; the other direction stays open."""


@dataclass(frozen=True)
class Garbage:
    """Other bytes come in place of the answer."""

    data: bytes = b"\x00\xffthis is no HTTP\r\n\r\n"


@dataclass(frozen=True)
class SlowBytes:
    """The answer comes byte by byte, with `pause` seconds between two."""

    pause: float


Fault: TypeAlias = Delay | BlackHole | Reset | HalfClose | Garbage | SlowBytes


class TcpRelay:
    """Passes connections on to `target`, an `http://host:port`; `fault`, which may change at any time, spoils answers.

    Enter it before use. `stop_listening` has new connections refused; `cut` resets those that are open.
    `connections` counts all that were made, `requests` the pieces that clients have sent.
    """

    def __init__(self, target: str, fault: Fault | None = None) -> None:
        parts = urlsplit(target)
        self.fault = fault
        self.connections = 0
        self.requests = 0
        self.port = 0
        self._target = (parts.hostname or "", parts.port or 80)
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop_listening()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(list(self._open))

    def stop_listening(self) -> None:
        """New connections are refused; those that are open go on."""
        self._server.close()

    def cut(self) -> None:
        """Reset every open connection."""
        for writer in self._open.values():
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._open[task] = writer
        try:
            await self._relay(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            del self._open[task]
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_requests(reader, their_writer))
                both.create_task(self._pass_answers(their_reader, writer))
        except* OSError:  # "not connected" is no ConnectionError
            writer.transport.abort()
        finally:
            their_writer.close()
            with contextlib.suppress(OSError):
                await their_writer.wait_closed()

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(64 * 1024):
            self.requests += 1
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(64 * 1024):
            await self._pass(data, writer)
        if not writer.is_closing() and not isinstance(self.fault, BlackHole):
            writer.write_eof()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        match self.fault:
            case None:
                writer.write(data)
            case Delay(seconds):
                await asyncio.sleep(seconds)
                writer.write(data)
            case BlackHole():
                pass
            case Reset():
                _reset(writer)
            case HalfClose():
                writer.write_eof()
            case Garbage(garbage):
                writer.write(garbage)
            case SlowBytes(pause):
                for byte in data:
                    writer.write(bytes((byte,)))
                    await asyncio.sleep(pause)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
