"""A service that keeps every request exactly as it saw it: what stands behind a gateway under test."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from atoll.testing.strict_requests import StrictReader, StrictRequest


@dataclass(frozen=True)
class Violation:
    """A rule that was broken on a connection, and the bytes in which it was."""

    rule: str
    raw: bytes


def mirror(request: StrictRequest) -> bytes:
    """An answer whose body is the request itself, byte for byte; without one to HEAD, as ever."""
    head = b"HTTP/1.1 200 Seen\r\ncontent-type: message/http\r\ncontent-length: %d\r\n\r\n" % len(request.raw)
    return head if request.method == b"HEAD" else head + request.raw


class RequestRecorder:
    """Listens on a free port of 127.0.0.1 while it is entered, and answers what came whole with `answer`.

    `requests` are those read whole and in canonical form (`StrictReader`), in their order; `unfinished` are the
    bytes of those whose connection ended in their middle. Anything else is one of `violations`: it is
    answered by a reset.
    """

    def __init__(self, answer: Callable[[StrictRequest], bytes] = mirror) -> None:
        self.answer = answer
        self.requests: list[StrictRequest] = []
        self.unfinished: list[bytes] = []
        self.violations: list[Violation] = []
        self.connections = 0
        self.port = 0
        self._by_id: dict[bytes, StrictRequest] = {}
        self._open: set[asyncio.Transport] = set()
        self._server: asyncio.Server

    def request(self, request_id: str) -> StrictRequest:
        """The one with that `x-request-id`; KeyError when none came."""
        return self._by_id[request_id.encode()]

    def forget(self) -> None:
        """Begin with empty lists."""
        self.requests.clear()
        self._by_id.clear()
        self.unfinished.clear()
        self.violations.clear()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for transport in list(self._open):
            transport.abort()
        await asyncio.sleep(0)  # for their ends to be told

    # What connections tell.

    def opened(self, transport: asyncio.Transport) -> None:
        self.connections += 1
        self._open.add(transport)

    def received(self, request: StrictRequest) -> None:
        self.requests.append(request)
        self._by_id[request.value(b"x-request-id")] = request

    def closed(self, transport: asyncio.Transport, unfinished: bytes) -> None:
        self._open.discard(transport)
        if unfinished:
            self.unfinished.append(unfinished)


class _Connection(asyncio.Protocol):
    def __init__(self, recorder: RequestRecorder) -> None:
        self._recorder = recorder
        self._reader = StrictReader(canonical=True)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._recorder.opened(self._transport)

    def data_received(self, data: bytes) -> None:
        for request in self._reader.feed(data):
            self._recorder.received(request)
            self._transport.write(self._recorder.answer(request))
        fault = self._reader.fault
        if fault is not None:
            self._recorder.violations.append(Violation(str(fault), self._reader.unfinished))
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._recorder.closed(self._transport, b"" if self._reader.fault else self._reader.unfinished)
