"""Bytes of a connection in, the parts of one answer out. No I/O, no time.

On httptools 0.9 (llhttp 9), whose strictness is what we rely on: it refuses bare line feeds, folded fields,
white space before a colon, control bytes, two lengths, a length beside a transfer coding. What it lets pass is
refused here: versions other than 1.0 and 1.1, statuses beyond 599, chunked twice or in HTTP/1.0. It gives no
position where an answer ended, so bytes after the end show as a second `on_message_begin`; empty lines there
pass unseen, as they would before the next answer. It knows nothing of the request, so the missing body of an
answer to HEAD is ours to know, and nothing of the connection's end, so that is ours too.
"""

from dataclasses import dataclass
from typing import Protocol

import httptools

from atoll.http1.errors import ConnectionEnded, InvalidAnswer
from atoll.http1.messages import Fields, find

_SWITCHING_PROTOCOLS = 101
_LAST_STATUS = 599
_VERSIONS = frozenset(("1.0", "1.1"))
_TRANSFER_ENCODING = b"transfer-encoding"


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """What an answer may have: `head` is in bytes and, like `fields`, counts interim (1xx) heads as well."""

    head: int = 16 * 1024
    fields: int = 100


DEFAULT_LIMITS = AnswerLimits()


class AnswerReceiver(Protocol):
    """Takes an answer's parts as they come, in order: one `on_head`, any number of `on_body`."""

    def on_head(self, status: int, fields: Fields) -> None:
        """The final status (200 to 599, never 1xx) and the fields as they came; the list is yours to keep."""

    def on_body(self, data: bytes) -> None:
        """More of the body, its transfer coding taken off; never empty."""


class AnswerParser:
    """Parses one answer after the other; call `expect` before each.

    Each byte is looked at once, by llhttp. The limits are exact for what is accepted; what is refused may
    have taken as much memory as one read of the transport (256 KiB) before it is.
    """

    __slots__ = (
        "_fed",
        "_fields",
        "_head_seen",
        "_interim_size",
        "_limits",
        "_parser",
        "_receiver",
        "_to_head",
        "ended",
        "reusable",
    )

    ended: bool
    """Whether the answer is whole."""

    reusable: bool
    """Once ended: whether another answer may follow on the same connection."""

    def __init__(self, limits: AnswerLimits) -> None:
        self._limits = limits
        self._receiver: AnswerReceiver = _NOBODY
        self._to_head = False
        self._fields: Fields = []
        self._start_parser()

    def _start_parser(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.ended = False
        self.reusable = False

    def expect(self, receiver: AnswerReceiver, *, to_head: bool) -> None:
        """An answer for `receiver` comes next; `to_head`: to a HEAD request, so without a body."""
        if self._to_head:
            self._start_parser()  # llhttp still waits for the body of the last one
        self._receiver = receiver
        self._to_head = to_head
        self._fields = []
        self._fed = 0
        self._interim_size = 0
        self._head_seen = False
        self.ended = False
        self.reusable = False

    def detach(self) -> None:
        """The receiver hears no more."""
        self._receiver = _NOBODY

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `InvalidAnswer`, and whatever the receiver raises."""
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise (error.__context__ or error) from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.ended:
                raise InvalidAnswer(f"The answer is not HTTP/1.1: {error}.") from error
            self.reusable = False
        if not self._head_seen and self._fed > self._limits.head:
            raise self._too_large()
        if self.ended and self._to_head and not data.endswith(b"\n"):
            self.reusable = False

    def feed_eof(self) -> None:
        """No more bytes come: the end of a body that lasts until then. Else raises `ConnectionEnded`."""
        if not self._head_seen:
            raise ConnectionEnded("The connection was lost before an answer came.")
        if _has_length(self._fields):
            raise ConnectionEnded("The connection was lost in the middle of the answer.")
        self.ended = True

    # What llhttp calls. An exception raised here comes out of `feed_data`.

    def on_message_begin(self) -> None:
        if self.ended:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_seen:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self.ended:
            return
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            raise InvalidAnswer(f"The answer is in HTTP/{version}.")
        status = self._parser.get_status_code()
        if status < 200:
            self._pass_interim(status)
            return
        fields = self._fields
        if len(fields) > self._limits.fields or (
            self._fed > self._limits.head and self._interim_size + _size(fields) > self._limits.head
        ):
            raise self._too_large()
        if status > _LAST_STATUS:  # RFC 9110, section 15
            raise InvalidAnswer(f"There is no status {status}.")
        _check_codings(fields, version)
        self._head_seen = True
        self._receiver.on_head(status, fields)
        if self._to_head:
            self._end()

    def on_chunk_header(self) -> None:
        if self._to_head:
            self.reusable = False

    def on_body(self, data: bytes) -> None:
        if self.ended:
            self.reusable = False
        else:
            self._receiver.on_body(data)

    def on_message_complete(self) -> None:
        if self._head_seen and not self.ended:
            self._end()

    def _end(self) -> None:
        self.ended = True
        self.reusable = self._parser.should_keep_alive()

    def _pass_interim(self, status: int) -> None:
        if status < 100 or status == _SWITCHING_PROTOCOLS:
            raise InvalidAnswer(f"Nobody asked for an answer with status {status}.")
        self._interim_size += _size(self._fields)
        self._fields.clear()

    def _too_large(self) -> InvalidAnswer:
        limits = self._limits
        return InvalidAnswer(f"The answer's head has more than {limits.head} bytes or {limits.fields} fields.")


class _Nobody:
    """Takes what is left of an answer that nobody wants any more."""

    def on_head(self, status: int, fields: Fields) -> None:
        pass

    def on_body(self, data: bytes) -> None:
        pass


_NOBODY = _Nobody()


def _size(fields: Fields) -> int:
    """The bytes of a head with these fields, at least."""
    return len("HTTP/1.1 200 \r\n\r\n") + sum(len(name) + len(value) + len(": \r\n") for name, value in fields)


def _check_codings(fields: Fields, version: str) -> None:
    """Raise unless the body comes as it is or chunked: we never ask for another transfer coding."""
    codings = 0
    for name, value in fields:
        if len(name) == len(_TRANSFER_ENCODING) and name.lower() == _TRANSFER_ENCODING:
            codings += 1
            if value.strip().lower() != b"chunked" or codings > 1 or version == "1.0":
                raise InvalidAnswer("The answer's transfer coding is not one that we can take off.")


def _has_length(fields: Fields) -> bool:
    """Whether the head tells where the body ends, so that the end of the connection is not its end."""
    return find(fields, b"content-length") is not None or find(fields, _TRANSFER_ENCODING) is not None
