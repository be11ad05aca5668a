"""The client's end of one HTTP/1.1 connection: one request at a time, driven by callbacks.

Callbacks, and not coroutines, so that the gateway passes bytes on without a task switch; `atoll.calls` awaits
on top of the same. A connection goes back to its pool by itself when its answer has ended, and leaves it by
itself when it closes: whoever takes one only starts a request, and abandons it if the answer is not wanted
any more.
"""

import asyncio
import select
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from atoll.http1.answer_parser import AnswerLimits, AnswerParser, AnswerReceiver
from atoll.http1.errors import ConnectionEnded, ConnectionFault
from atoll.http1.messages import Fields
from atoll.http1.plain_answer import plain_answer


class Receiver(AnswerReceiver, Protocol):
    """Takes what happens to one request. Exactly one of `on_whole`, `on_end` and `on_lost` comes, as the last call.

    Unless the request is abandoned: then nothing comes any more. Calls may come while `start` or `send` runs
    (`pause_sending` only), and may themselves call `pause_reading`, `send`, `abandon`, and in the last one
    take a connection and start the next request. What a callback raises loses the connection, and
    goes to the event loop's exception handler.
    """

    def on_head(self, status: int, fields: Fields) -> None:
        """The final status (200 to 599, never 1xx) and the fields as they came; the list is yours to keep."""

    def on_body(self, data: bytes) -> None:
        """More of the body, its transfer coding taken off; never empty. Trailers are dropped."""

    def on_whole(self, status: int, fields: Fields, body: bytes, reusable: bool) -> None:
        """All of an answer, in place of `on_head`, `on_body` and `on_end`: most come so, and cost less."""

    def on_end(self, reusable: bool) -> None:
        """The answer is whole. `reusable`: the connection is back in its pool; else it closes.

        An answer may end before the request has been sent whole (413, say): then the connection closes, and
        nothing more can be sent.
        """

    def on_lost(self, error: ConnectionFault) -> None:
        """No whole answer will come: `ConnectionEnded`, `InvalidAnswer`. The peer may have acted, though."""

    def pause_sending(self) -> None:
        """The peer reads slower than we write: send no more until `resume_sending`."""

    def resume_sending(self) -> None:
        """Sending makes sense again."""


class ConnectionOwner(Protocol):
    """Whose connection it is: told of each change, before the receiver is."""

    def connection_opened(self, connection: "ClientConnection") -> None: ...

    def connection_idle(self, connection: "ClientConnection") -> None: ...

    def connection_unusable(self, connection: "ClientConnection") -> None: ...

    def connection_closed(self, connection: "ClientConnection") -> None: ...


def _watch(file_number: int) -> Callable[[], object]:
    """Asks for what can be read from a file now; something true when there is anything, or its end."""
    if not hasattr(select, "poll"):  # Windows, where nobody has been asked to care
        return tuple
    poll = select.poll()
    poll.register(file_number, select.POLLIN)
    return partial(poll.poll, 0)


class ClientConnection(asyncio.Protocol):
    """One connection to a server; made by `ConnectionPool`. Works on any asyncio event loop.

    At most one request is under way. The server's early answer, its bytes after the end of an answer or while
    no request is under way, its wish to close or to switch protocols, or an answer abandoned half-way: after
    each of these the connection is never used again.

    After `on_end` the connection may work for somebody else already. So whatever is asked of it names the
    receiver, and does nothing when that one's request is not under way any more.
    """

    __slots__ = (
        "_closing",
        "_limits",
        "_nothing_came",
        "_owner",
        "_parser",
        "_reading_paused",
        "_receiver",
        "_request_sent",
        "_to_head",
        "_transport",
        "_watch",
        "_writing_paused",
        "after_read",
    )

    after_read: Callable[[], None] | None
    """For the receiver to set in a callback: called once, when all that came with the present read has been told,
    unless the answer has ended with it. So parts that came together can go on together."""

    def __init__(self, owner: ConnectionOwner, limits: AnswerLimits) -> None:
        self._owner = owner
        self._limits = limits
        self._parser = AnswerParser(limits)
        self._to_head = False
        self._nothing_came = False
        """Whether no byte has come of the answer to the request under way."""
        self._receiver: Receiver | None = None
        self._transport: asyncio.Transport
        self._closing = False
        self._request_sent = True
        self._reading_paused = False
        self._writing_paused = False
        self._watch: Callable[[], object] | None = None
        self.after_read = None

    def __repr__(self) -> str:
        state = "closing" if self._closing else "busy" if self._receiver else "idle"
        return f"<ClientConnection {state}>"

    # For those who send requests.

    @property
    def usable(self) -> bool:
        """Whether a request can be started now."""
        return self._receiver is None and not self._closing and not self._transport.is_closing()

    def looks_alive(self) -> bool:
        """Whether the peer has neither closed nor sent anything that the event loop has yet to tell us of.

        To be asked of an idle connection; asks the operating system, for about a microsecond.
        """
        if self._watch is None:
            self._watch = _watch(self._transport.get_extra_info("socket").fileno())
        return not self._watch()

    @property
    def sending_paused(self) -> bool:
        """Whether the peer reads slower than we write; between `pause_sending` and `resume_sending`."""
        return self._writing_paused

    def start(self, data: bytes, receiver: Receiver, *, to_head: bool = False, more: bool = False) -> None:
        """Send a request's head, and as much of its body as is at hand, and have the answer go to `receiver`.

        `to_head`: the method is HEAD. `more`: the rest of the body comes with `send`, the end of it with
        `finish`. Bytes go out as they are: framing is the caller's. Raises RuntimeError when not `usable`.
        """
        if self._receiver is not None or self._closing or self._transport.is_closing():
            raise RuntimeError(f"{self!r} takes no request now.")
        self._receiver = receiver
        self._request_sent = not more
        self._to_head = to_head
        self._nothing_came = True
        self._transport.write(data)

    def send(self, receiver: Receiver, data: bytes) -> None:
        """Send more of the body."""
        if self._receiver is receiver and data:
            self._transport.write(data)

    def finish(self, receiver: Receiver, data: bytes = b"") -> None:
        """Send the last of the body (`LAST_CHUNK` when it is chunked): the request is whole."""
        if self._receiver is receiver:
            self.send(receiver, data)
            self._request_sent = True

    def pause_reading(self, receiver: Receiver) -> None:
        """Take no more of the answer; what has been read already (at most 256 KiB) still comes."""
        if self._receiver is receiver and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self, receiver: Receiver) -> None:
        """Take more of the answer."""
        if self._receiver is receiver:
            self._read_on()

    def abandon(self, receiver: Receiver) -> None:
        """The answer is not wanted any more: the connection closes, and the receiver hears nothing more."""
        if self._receiver is receiver:
            self._receiver = self.after_read = None
            self._close()

    def close(self) -> None:
        """Close now; a request under way is lost."""
        self._lose(ConnectionEnded("The connection was closed on our side."))

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._owner.connection_opened(self)

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            self._close()  # nobody asked
            return
        if self._nothing_came:
            answer = None if self._to_head else plain_answer(data, self._limits)
            if answer is not None:
                receiver.on_whole(*answer, self._let_go())
                return
            self._expect(receiver)
        parser = self._parser
        try:
            parser.feed(data)
        except ConnectionFault as fault:
            self._lose(fault)
        except BaseException:
            self._lose(ConnectionEnded("The answer's receiver failed."))
            raise
        else:
            # Only here, not in the parser's callback: the next request must not begin inside this feed.
            if parser.ended:
                self._end()
            elif self.after_read is not None:
                then, self.after_read = self.after_read, None
                then()

    def eof_received(self) -> None:
        if self._receiver is None:
            self._close()
            return
        if self._nothing_came:
            self._expect(self._receiver)
        try:
            self._parser.feed_eof()
        except ConnectionFault as fault:
            self._lose(fault)
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._close()
        self._owner.connection_closed(self)
        fault = ConnectionEnded("The connection was lost before the answer was whole.")
        fault.__cause__ = exc
        self._lose(fault)

    def pause_writing(self) -> None:
        self._writing_paused = True
        if self._receiver is not None:
            self._receiver.pause_sending()

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._receiver is not None:
            self._receiver.resume_sending()

    def _expect(self, receiver: Receiver) -> None:
        """An answer begins that takes the parser to read."""
        self._nothing_came = False
        self._parser.expect(receiver, to_head=self._to_head)

    def _end(self) -> None:
        receiver = self._receiver
        if receiver is None:
            return  # abandoned inside a callback
        receiver.on_end(self._let_go(self._parser.reusable))

    def _let_go(self, reusable: bool = True) -> bool:
        """The answer has ended: go back to the pool, or close if that cannot be. Returns which of the two."""
        self._receiver = self.after_read = None
        if not (reusable and self._request_sent) or self._transport.get_write_buffer_size():
            self._close()
            return False
        if self._reading_paused:
            self._read_on()
        self._owner.connection_idle(self)
        return True

    def _read_on(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _lose(self, fault: ConnectionFault) -> None:
        receiver, self._receiver = self._receiver, None
        self.after_read = None
        self._close()
        if receiver is not None:
            receiver.on_lost(fault)

    def _close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._parser.detach()
        self._owner.connection_unusable(self)
        # Not close(), which would wait for a peer that does not read.
        self._transport.abort()
