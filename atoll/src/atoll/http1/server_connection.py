"""The server's end of one HTTP/1.1 connection: strict about what it reads, bounded in all that it holds.

Driven by callbacks and made for thousands at once: a request costs no task and no timer. Requests on a
connection are handled one after the other; what a client sends ahead waits here, and beyond
`ServerLimits.held` in the kernel. Moments by which something must have happened are only noted; whoever
owns the connection calls `check_time`.
"""

import asyncio
import math
import re
import select
import socket
import struct
from collections.abc import Iterable
from http import HTTPStatus
from typing import Protocol, cast

from atoll.http1.chunked_body import ChunkedBody
from atoll.http1.messages import LAST_CHUNK, chunk
from atoll.http1.request_head import END_OF_HEAD, HeadReader, RequestHead
from atoll.http1.server_limits import ServerLimits
from atoll.problems import ContentTooLarge, Problem, RequestTimeout, Unavailable


class Exchange(Protocol):
    """One request in hand, as its connection sees it: told what comes from the client, in order."""

    def body_received(self, data: bytes) -> None:
        """More of the request's body, its coding taken off; never empty."""

    def body_complete(self) -> None:
        """The request is whole. Comes once for every request with a body, unless `abandoned` does."""

    def pause_answer(self) -> None:
        """The client reads slower than we write: write no more until `resume_answer`."""

    def resume_answer(self) -> None:
        """Writing makes sense again."""

    def drain(self) -> None:
        """The server has begun to stop, and waits for this: bring to its end what would have none by itself."""

    def abandoned(self, problem: Problem | None) -> None:
        """The last call, when the answer is not finished: nothing more comes, and nothing more can be written.

        `problem` is what was wrong with the rest of the request, and will be answered if nothing else has
        been; None means that the client is gone.
        """

    def check_time(self, now: float) -> None:
        """Comes every now and then with the loop's time, for deadlines of the exchange's own."""


class Application(Protocol):
    """What a server is for."""

    def begin(self, head: RequestHead, connection: "ServerConnection") -> Exchange | None:
        """Take a request whose head has been read; it is answered through `connection`, now or later.

        None says that it has been answered. Raises nothing: a mistake of its own loses the connection.
        """

    def refusal(
        self, problem: Problem, head: RequestHead | None, connection: "ServerConnection"
    ) -> tuple[bytes, bytes]:
        """The fields and the body of the answer to a request that the connection itself refuses.

        `head` is None when the head was what is wrong.
        """


class ConnectionKeeper(Protocol):
    """The server of a connection, as far as the connection needs it."""

    @property
    def application(self) -> Application: ...

    @property
    def limits(self) -> ServerLimits: ...

    @property
    def draining(self) -> bool:
        """Whether every connection should end with its next answer."""

    def connection_opened(self, connection: "ServerConnection") -> bool:
        """Count it in, and say whether there is room for it."""

    def connection_closed(self, connection: "ServerConnection") -> None:
        """It is gone."""


# What is due from the client.
_HEAD, _BODY, _NOTHING, _DROPPED, _CLOSED = range(5)
_STAGES = ("awaits a head", "awaits a body", "answers", "lingers", "is closed")

# How far the answer is.
_UNANSWERED, _ANSWERING, _ANSWERED = range(3)

# How the client will know where the answer's body ends.
_SIZED, _CHUNKED, _UNTIL_CLOSE, _BODILESS = range(4)

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_BODILESS_STATUSES = frozenset((204, 304))
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CARRIAGE_RETURN = 0x0D
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_MAY_BE_DROPPED = 64 * 1024
"""Bytes of a body that nobody wants which we rather read than lose the connection for."""


class ServerConnection(asyncio.Protocol):
    """One client's connection; made by `HttpServer`. Works on any asyncio event loop.

    The application answers with `answer`, or with `start_answer`, `write` and `finish_answer`. Calls that
    come when there is nobody to answer any more do nothing.
    """

    __slots__ = (
        "_advancing",
        "_answer_framing",
        "_answer_stage",
        "_body_paused",
        "_body_seconds_left",
        "_chunks",
        "_deadline",
        "_exchange",
        "_head",
        "_heads",
        "_held",
        "_is_last",
        "_keeper",
        "_loop",
        "_owes_continue",
        "_reading_paused",
        "_received",
        "_remaining",
        "_resting",
        "_stage",
        "_transport",
        "_unread",
        "_will_close",
        "_write_deadline",
        "_write_seconds_left",
        "body_limit",
        "peer",
    )

    peer: str
    """The address at the other end, without its port."""

    body_limit: int
    """Bytes that the body of the request in hand may have; `limit_body` sets it."""

    def __init__(self, keeper: ConnectionKeeper, loop: asyncio.AbstractEventLoop) -> None:
        self._keeper = keeper
        self._loop = loop
        self._heads = HeadReader(keeper.limits.head)
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._head: RequestHead | None = None
        self._held = b""
        self._stage = _HEAD
        self._advancing = False
        self._reading_paused = False
        self._resting = False

        self._chunks: ChunkedBody | None = None
        self._remaining = 0
        self._received = 0
        self._body_paused = False
        self._body_seconds_left = 0.0
        self._owes_continue = False

        self._answer_stage = _UNANSWERED
        self._answer_framing = _SIZED
        self._is_last = False
        self._will_close = False

        self._deadline = math.inf
        self._write_deadline = math.inf
        self._write_seconds_left = keeper.limits.write_timeout
        self._unread = 0
        self.peer = ""
        self.body_limit = keeper.limits.body

    def __repr__(self) -> str:
        return f"<ServerConnection of {self.peer} {_STAGES[self._stage]}>"

    # For the application.

    def pause_body(self) -> None:
        """Hand over no more of the body until `resume_body`; meanwhile the client is not blamed for slowness."""
        if self._stage == _BODY and not self._body_paused:
            self._body_paused = True
            self._body_seconds_left = self._deadline - self._loop.time()
            self._deadline = math.inf

    def resume_body(self) -> None:
        """Hand over the body again; some of it comes before this returns, unless called from within a callback."""
        if self._body_paused:
            self._body_paused = False
            self._due_in(self._body_seconds_left)
            if self._owes_continue:
                self._invite_body()
            self._go_on()

    def limit_body(self, limit: int) -> None:
        """Accept so many bytes of this request's body; raises `ContentTooLarge` when more are announced."""
        self.body_limit = limit
        if self._head is not None and (self._head.content_length or 0) > limit:
            raise self._body_too_large()

    @property
    def answer_started(self) -> bool:
        """Whether a status is on its way, so that no other one can be sent."""
        return self._answer_stage != _UNANSWERED

    @property
    def answer_is_endless(self) -> bool:
        """Whether an answer is on its way of which nobody has said how long it is: it may end anywhere."""
        return self._answer_stage == _ANSWERING and self._answer_framing in (_CHUNKED, _UNTIL_CLOSE)

    @property
    def draining(self) -> bool:
        """Whether the server has begun to stop."""
        return self._keeper.draining

    @property
    def answer_paused(self) -> bool:
        """Whether the client reads slower than we write; between `pause_answer` and `resume_answer`."""
        return self._write_deadline != math.inf

    def answer(self, status: int, fields: bytes, body: bytes) -> None:
        """Send a whole answer. `fields` are lines, each ended by CR LF; those of framing are added here."""
        if self._answer_stage == _UNANSWERED and self._stage != _CLOSED:
            head = self._answer_head(status, fields, len(body))
            self._transport.write(head if self._answer_framing == _BODILESS else head + body)
            self._turn_to_next()

    def start_answer(self, status: int, fields: bytes, length: int | None, first: bytes = b"") -> None:
        """Send an answer's head; `length` is that of its body, None when nobody knows it.

        `first` is what is there of the body, and goes out with the head: a write costs more than joining them.
        """
        if self._answer_stage == _UNANSWERED and self._stage != _CLOSED:
            data = self._answer_head(status, fields, length)
            if first and self._answer_framing != _BODILESS:
                data += chunk(first) if self._answer_framing == _CHUNKED else first
            self._transport.write(data)
            self._answer_stage = _ANSWERING

    def write(self, data: bytes) -> None:
        """Send more of the answer's body; nothing is sent for an answer that has none."""
        if self._answer_stage == _ANSWERING and self._answer_framing != _BODILESS:
            self._unread += len(data)
            self._transport.write(chunk(data) if self._answer_framing == _CHUNKED else data)

    def finish_answer(self) -> None:
        """The answer is whole: turn to the next request, if the connection stays."""
        if self._answer_stage != _ANSWERING:
            return
        if self._answer_framing == _CHUNKED:
            self._transport.write(LAST_CHUNK)
        self._turn_to_next()

    def _turn_to_next(self) -> None:
        self._answer_stage = _ANSWERED
        self._exchange = None
        if self._stage == _NOTHING:
            self._end_exchange()
        elif self._will_close:
            self._linger()
        else:
            self.resume_body()  # to be dropped

    def close_after_answer(self) -> None:
        """Make the answer to the request in hand the last one: what else its client has sent is in doubt as well."""
        self._is_last = True

    def rest(self) -> None:
        """Take no further request before `wake`: what the client sends stays in the kernel."""
        self._resting = True
        self._pause_reading()

    def wake(self) -> None:
        """Take requests again."""
        if self._resting and self._stage < _DROPPED and not self._transport.is_closing():
            self._resting = False
            self._go_on()

    def cut_answer(self) -> None:
        """The answer will never be whole: close, so that no client takes it for whole."""
        self._exchange = None
        self._answer_stage = _ANSWERED
        if self._answer_framing == _UNTIL_CLOSE:
            self._reset()
        else:
            self._close()

    # For the server.

    @property
    def idle(self) -> bool:
        """Whether not even the beginning of a request is here."""
        return self._stage == _HEAD and not self._held

    def check_time(self, now: float) -> None:
        """Act on whichever deadline has passed at `now`, the loop's time."""
        if now >= self._deadline:
            self._expire()
        elif now >= self._write_deadline:
            self._transport.abort()
        elif self._exchange is not None:
            self._exchange.check_time(now)

    def drain(self) -> None:
        """The keeper has begun to drain: wait only shortly for another request, and tell the one in hand."""
        self.wake()
        if self.idle:
            self._due_in(self._keeper.limits.drain_grace)
        elif self._exchange is not None:
            self._exchange.drain()

    def abort(self) -> None:
        """Close now, whatever is in hand."""
        self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else "local"
        self._due_in(self._keeper.limits.idle_timeout)
        if not self._keeper.connection_opened(self):
            self._refuse(Unavailable("There are too many connections."))

    def data_received(self, data: bytes) -> None:
        if self._stage < _DROPPED:
            self._advance(self._held + data if self._held else data, len(self._held))

    def eof_received(self) -> None:
        """The client sends no more; it is taken for gone, and the transport closes by itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._stage = _CLOSED
        self._keeper.connection_closed(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandoned(None)

    def pause_writing(self) -> None:
        self._unread = self._transport.get_write_buffer_size()
        self._write_deadline = self._loop.time() + self._write_seconds_left
        if self._exchange is not None:
            self._exchange.pause_answer()

    def resume_writing(self) -> None:
        self._earn_time_to_read()
        if self._exchange is not None:
            self._exchange.resume_answer()
        elif self._stage == _HEAD and self._held:
            self._go_on()

    def _earn_time_to_read(self) -> None:
        """The client has taken much of what waited for it, and has the more time for the rest."""
        limits = self._keeper.limits
        taken = self._unread - self._transport.get_write_buffer_size()
        left = self._write_deadline - self._loop.time() + taken / limits.write_rate
        self._write_seconds_left = min(limits.write_timeout, left)
        self._write_deadline = math.inf

    # Reading, one rung for each part of a request.

    def _advance(self, data: bytes, seen: int = 0) -> None:
        """Take from `data` what can be taken now, and hold the rest; its first `seen` bytes were held before."""
        self._held = b""
        self._advancing = True
        try:
            while data and self._stage < _NOTHING and not self._body_paused:
                rest = self._take_head(data, seen) if self._stage == _HEAD else self._take_body(data)
                if len(rest) == len(data):
                    break
                data, seen = rest, 0
            if data or self._reading_paused:
                self._hold(data)
        except Problem as problem:
            self._refuse(problem)
        finally:
            self._advancing = False

    def _go_on(self) -> None:
        """Advance with what is held, unless that is being done already."""
        if not self._advancing:
            self._advance(self._held)

    def _hold(self, data: bytes) -> None:
        if self._stage >= _DROPPED:
            return
        self._held = data
        if self._resting or len(data) > self._keeper.limits.held:
            self._pause_reading()
        else:
            self._resume_reading()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _take_head(self, data: bytes, seen: int) -> bytes:
        if self._resting or self._write_deadline != math.inf:  # answers pile up: take no more requests meanwhile
            self._deadline = math.inf
            return data
        rest = b""
        head = self._heads.read_repeated(data)
        if head is None:
            if data[0] == _CARRIAGE_RETURN:
                empty_lines = _EMPTY_LINES.match(data)
                if empty_lines is not None:  # RFC 9112, section 2.2
                    return data[empty_lines.end() :]
            end = data.find(END_OF_HEAD)
            if end < 0:
                self._await_head(data, seen)
                return data
            end += len(END_OF_HEAD)
            head, rest = self._heads.read(data[:end]), data[end:]
        self._head = head
        if head.content_length == 0:
            self._stage = _NOTHING
            self._deadline = math.inf
        else:
            self._expect_body(head)
        exchange = self._keeper.application.begin(head, self)
        if exchange is not None:
            self._exchange = exchange
            if self._owes_continue:
                self._invite_body()
        return rest

    def _await_head(self, start: bytes, seen: int) -> None:
        if not seen:
            self._due_in(self._keeper.limits.head_timeout)
        refusal = self._heads.early_refusal(start, seen)
        if refusal is not None:
            raise refusal

    def _expect_body(self, head: RequestHead) -> None:
        self._stage = _BODY
        self._chunks = ChunkedBody() if head.chunked else None
        self._remaining = head.content_length or 0
        self._received = 0
        self._owes_continue = head.expects_continue
        self._due_in(self._keeper.limits.body_timeout)

    def _invite_body(self) -> None:
        if self._answer_stage == _UNANSWERED and not self._body_paused:
            self._owes_continue = False
            self._transport.write(_CONTINUE)

    def _take_body(self, data: bytes) -> bytes:
        if self._chunks is not None:
            piece, rest = self._chunks.feed(data)
            ended = self._chunks.ended
            self._check_size(len(piece) + self._chunks.remaining)
        else:
            piece, rest = data[: self._remaining], data[self._remaining :]
            self._remaining -= len(piece)
            ended = not self._remaining
            self._check_size(len(piece))
        if piece:
            self._receive(piece)
        if ended and self._stage == _BODY:
            self._complete_body()
        return rest

    def _receive(self, piece: bytes) -> None:
        self._received += len(piece)
        self._deadline += len(piece) / self._keeper.limits.body_rate
        if self._exchange is not None:
            self._exchange.body_received(piece)

    def _check_size(self, more: int) -> None:
        """Refuse a body that somebody wants as soon as it is clear that it will be too large."""
        if self._received + more > self.body_limit and self._exchange is not None:
            raise self._body_too_large()

    def _complete_body(self) -> None:
        self._stage = _NOTHING
        self._deadline = math.inf
        self._owes_continue = False
        if self._exchange is not None:
            self._exchange.body_complete()
        elif self._answer_stage == _ANSWERED:
            self._end_exchange()

    def _body_too_large(self) -> ContentTooLarge:
        return ContentTooLarge(f"The request's body is longer than {self.body_limit} bytes.")

    # Answering.

    def _answer_head(self, status: int, fields: bytes, length: int | None) -> bytes:
        head = self._head
        framing = b""
        self._will_close = (
            self._is_last
            or head is None
            or not head.keep_alive
            or self._keeper.draining
            or (self._stage == _BODY and self._rest_is_in_doubt())
        )
        if status in _BODILESS_STATUSES or (head is not None and head.method == b"HEAD"):
            self._answer_framing = _BODILESS
            if length is not None and status != HTTPStatus.NO_CONTENT:
                framing = b"content-length: %d\r\n" % length
        elif length is not None:
            self._answer_framing = _SIZED
            framing = b"content-length: %d\r\n" % length
        elif head is None or head.minor_version == 1:
            self._answer_framing = _CHUNKED
            framing = b"transfer-encoding: chunked\r\n"
        else:
            self._answer_framing = _UNTIL_CLOSE
            self._will_close = True
        if self._will_close:
            framing += b"connection: close\r\n"
        elif head is not None and head.minor_version == 0:
            framing += b"connection: keep-alive\r\n"
        return b"".join((_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, fields, framing, b"\r\n"))

    def _rest_is_in_doubt(self) -> bool:
        """Whether the request in hand has more of a body to come than can be waited for after its answer."""
        return self._owes_continue or self._chunks is not None or self._remaining > _MAY_BE_DROPPED

    def _end_exchange(self) -> None:
        if not self._will_close:
            self._stage = _HEAD
            self._answer_stage = _UNANSWERED
            self._head = None
            keeper = self._keeper
            limits = keeper.limits
            self.body_limit = limits.body
            self._deadline = self._loop.time() + (limits.drain_grace if keeper.draining else limits.idle_timeout)
            if self._held:
                self._go_on()
        elif self._head is not None and not self._head.keep_alive:
            self._close()
        else:
            self._linger()  # the client may be sending the next request already

    def _refuse(self, problem: Problem) -> None:
        """Answer what the client did wrong, if there is still something to answer, and close."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandoned(problem)
        if self._answer_stage == _ANSWERING:
            self.cut_answer()
            return
        if self._answer_stage == _UNANSWERED:
            fields, body = self._keeper.application.refusal(problem, self._head, self)
            self._is_last = True
            head = self._answer_head(problem.status, fields, len(body))
            self._transport.write(head if self._answer_framing == _BODILESS else head + body)
            self._answer_stage = _ANSWERED
        self._linger()

    # Ending.

    def _expire(self) -> None:
        if self._stage == _HEAD and self._held:
            self._refuse(RequestTimeout("The request's head took too long."))
        elif self._stage == _BODY:
            self._refuse(RequestTimeout("The request's body took too long."))
        elif self._stage != _HEAD:
            self._transport.abort()
        elif not self._has_unread():
            self._close()

    def _has_unread(self) -> bool:
        """Whether the kernel holds bytes of the client that the loop has not read yet."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _linger(self) -> None:
        """Send what is written and an end; then read and drop for a while, so that the answer is not reset away."""
        if not self._transport.can_write_eof() or self._transport.is_closing():
            self._close()
            return
        self._stage = _DROPPED
        self._held = b""
        self._due_in(self._keeper.limits.linger)
        self._resume_reading()
        self._transport.write_eof()

    def _close(self) -> None:
        """Send what is written, and close."""
        self._stage = _CLOSED
        self._held = b""
        self._due_in(self._keeper.limits.write_timeout)
        self._transport.close()

    def _reset(self) -> None:
        """Close so that the client sees an error, and not an end (SO_LINGER for zero seconds)."""
        connected: socket.socket = self._transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _due_in(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds


def with_something_due(connections: Iterable[ServerConnection], now: float) -> list[ServerConnection]:
    """Those of the connections that `check_time` would find something to do at: of thousands of idle ones, none."""
    return [
        each
        for each in connections
        if each._exchange is not None or each._deadline <= now or each._write_deadline <= now
    ]
