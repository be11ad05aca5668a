"""One request and its answer on one connection: the callbacks of `http1` turned into something to await."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterable, Awaitable
from typing import ClassVar

from atoll.calls.expiries import Expiries
from atoll.http1.client_connection import ClientConnection
from atoll.http1.errors import ConnectionEnded, ConnectionFault, InvalidAnswer
from atoll.http1.messages import LAST_CHUNK, Fields, chunk

HIGH_WATER = 64 * 1024
"""Bytes of a streamed answer that wait for their reader before the connection is read no further."""


class TimedOut(ConnectionFault):
    """Time was up before the answer was; `nothing_was_sent` when it was up before a connection was there."""

    def __init__(self, message: str, *, nothing_was_sent: bool = False) -> None:
        super().__init__(message)
        self.nothing_was_sent = nothing_was_sent


class Exchange:
    """Receives one answer, for one task. What it comes to, when not to an answer, is raised where that waits.

    Who does not wait for the end has to `close` it, so that nothing is left behind. Its time limit is one of
    `expiries`; `limit` is in bytes of the body.
    """

    __slots__ = (
        "_connection",
        "_ended",
        "_expiries",
        "_fault",
        "_limit",
        "_loop",
        "_patience",
        "_sender",
        "_size",
        "_word",
        "fields",
        "status",
    )

    ends_with_attempt: ClassVar[bool]
    """Whether the time for the attempt is that for the whole answer, and not only for its head."""

    def __init__(self, expiries: Expiries, limit: int = HIGH_WATER) -> None:
        self.status = 0
        self.fields: Fields = []
        self._limit = limit
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self._connection: ClientConnection
        self._expiries = expiries
        self._patience: float
        self._sender: _BodySender | None = None
        self._word: asyncio.Future[None] = self._loop.create_future()
        """Done when there is as much of the answer as is waited for."""
        self._fault: BaseException | None = None
        self._ended = False

    def start(
        self,
        connection: ClientConnection,
        head: bytes,
        body: bytes | AsyncIterable[bytes] | None,
        *,
        to_head: bool,
        seconds: float,
    ) -> None:
        """Send the request; the answer must be there `seconds` from now, as far as `answered` waits for it."""
        self._connection = connection
        self._patience = seconds
        if seconds < math.inf:
            self._expiries.set(self, self._loop.time() + seconds)
        if body is None or isinstance(body, bytes):
            connection.start(head + body if body else head, self, to_head=to_head)
        else:
            connection.start(head, self, to_head=to_head, more=True)
            self._sender = _BodySender(self, connection, body)

    def answered(self) -> Awaitable[None]:
        """To be awaited until there is enough of the answer to go on with; raises what it came to instead.

        Not a coroutine, for there is one frame less to go through when the answer comes.
        """
        return self._word if self._sender is None else self._answered_and_sent(self._sender)

    async def rest(self, limit: int) -> bytes:
        """What is left of the body, cut after `limit` bytes."""
        raise NotImplementedError

    async def close(self) -> None:
        """Abandon the answer unless it is whole, and return when nothing of the exchange runs any more."""
        self.abandon()
        if self._sender is not None:
            await self._sender.stopped()

    def expire_in(self, seconds: float) -> None:
        """Give up `seconds` from now, and not at the moment that was set before."""
        self._patience = seconds
        if seconds < math.inf:
            self._expiries.set(self, self._loop.time() + seconds)
        else:
            self._expiries.clear(self)

    def expire(self) -> None:
        """The time is up."""
        self._connection.abandon(self)
        self.fail(TimedOut(f"no whole answer within {round(self._patience, 2):g} s"))

    def abandon(self) -> None:
        """Close the connection unless the answer is whole."""
        if not self._ended:
            self._connection.abandon(self)
            self.fail(ConnectionEnded("The answer was abandoned."))

    def fail(self, fault: BaseException) -> None:
        """The answer will never be whole, because of `fault`; the first one counts."""
        if not self._ended:
            self._fault = fault
            if not self._word.done():
                self._word.set_exception(fault)
            self.on_end(False)

    async def _answered_and_sent(self, sender: "_BodySender") -> None:
        """Return when there is enough of the answer; when that was its end, the body's iterator has been left."""
        try:
            await self._word
        finally:
            if self._ended:
                await sender.stopped()

    # What the connection calls.

    def on_head(self, status: int, fields: Fields) -> None:
        self.status = status
        self.fields = fields

    def on_body(self, data: bytes) -> None:
        raise NotImplementedError

    def on_whole(self, status: int, fields: Fields, body: bytes, reusable: bool) -> None:
        raise NotImplementedError

    def on_end(self, reusable: bool) -> None:
        self._ended = True
        self._expiries.clear(self)
        if self._sender is not None:
            self._sender.stop()
        if not self._word.done():
            self._word.set_result(None)

    def on_lost(self, error: ConnectionFault) -> None:
        self.fail(error)

    def pause_sending(self) -> None:
        if self._sender is not None:
            self._sender.writable.clear()

    def resume_sending(self) -> None:
        if self._sender is not None:
            self._sender.writable.set()


class WholeExchange(Exchange):
    """The answer as a whole, of at most `limit` bytes."""

    __slots__ = ("_parts",)

    ends_with_attempt = True

    _parts: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)

    async def rest(self, limit: int) -> bytes:
        return self.body[:limit]

    def on_head(self, status: int, fields: Fields) -> None:
        super().on_head(status, fields)
        self._parts = []

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._connection.abandon(self)
            self.fail(self._too_large())
        else:
            self._parts.append(data)

    def on_whole(self, status: int, fields: Fields, body: bytes, reusable: bool) -> None:
        self.status = status
        self.fields = fields
        self._parts = [body]
        if len(body) > self._limit:
            self.fail(self._too_large())
        else:
            self.on_end(reusable)

    def _too_large(self) -> InvalidAnswer:
        return InvalidAnswer(f"The answer's body has more than {self._limit} bytes.")


class StreamedExchange(Exchange):
    """The head first, then the body piece by piece, no faster than it is taken: `limit` bytes may wait here."""

    __slots__ = ("_parts",)

    ends_with_attempt = False

    def __init__(self, expiries: Expiries, limit: int = HIGH_WATER) -> None:
        super().__init__(expiries, limit)
        self._parts: deque[bytes] = deque()

    async def next_part(self) -> bytes | None:
        """The next piece of the body, never empty; None after the last."""
        try:
            while not self._parts and not self._ended:
                self._word = self._loop.create_future()
                await self._word
        except asyncio.CancelledError:
            self.abandon()
            raise
        if self._parts:
            return self._take()
        if self._fault is not None:
            raise self._fault
        return None

    async def rest(self, limit: int) -> bytes:
        parts = bytearray()
        while len(parts) < limit and (part := await self.next_part()) is not None:
            parts += part
        await self.close()
        return bytes(parts[:limit])

    def on_head(self, status: int, fields: Fields) -> None:
        super().on_head(status, fields)
        self._wake()

    def on_whole(self, status: int, fields: Fields, body: bytes, reusable: bool) -> None:
        self.on_head(status, fields)
        if body:
            self.on_body(body)
        self.on_end(reusable)

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._connection.pause_reading(self)
        self._wake()

    def _wake(self) -> None:
        if not self._word.done():
            self._word.set_result(None)

    def _take(self) -> bytes:
        part = self._parts.popleft()
        self._size -= len(part)
        if self._size <= self._limit // 2:
            self._connection.resume_reading(self)
        return part


class _BodySender:
    """Sends a body that comes piece by piece, while the answer may come already.

    A task of its own: the answer may be there, or the connection gone, while the next piece is still awaited.
    """

    def __init__(self, exchange: Exchange, connection: ClientConnection, body: AsyncIterable[bytes]) -> None:
        self.writable = asyncio.Event()
        if not connection.sending_paused:
            self.writable.set()
        self._exchange = exchange
        self._connection = connection
        self._task = asyncio.create_task(self._send(body))

    def stop(self) -> None:
        """The rest is not wanted any more."""
        if self._task is not asyncio.current_task():
            self._task.cancel()

    async def stopped(self) -> None:
        """Return when the body's iterator has been left."""
        await asyncio.wait((self._task,))

    async def _send(self, body: AsyncIterable[bytes]) -> None:
        try:
            async for data in body:
                self._connection.send(self._exchange, chunk(data))
                await self.writable.wait()
            self._connection.finish(self._exchange, LAST_CHUNK)
        except Exception as error:  # whatever the body raises is for the caller
            self._connection.abandon(self._exchange)
            self._exchange.fail(error)
