"""What handlers answer with, and how an answer is put on the wire."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from starlette.types import Receive, Send

from atoll import problems, wire
from atoll.problems import Problem

T = TypeVar("T")

HeaderList = list[tuple[bytes, bytes]]

_JSON = (b"content-type", wire.MEDIA_TYPE.encode())
_PROBLEM = (b"content-type", problems.MEDIA_TYPE.encode())


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A value, with a status or headers of its own: `Reply(order, headers={"Location": …})`.

    Without a status it has the route's. A stored answer is sent byte for byte as `Reply(wire.Raw(stored))`.
    """

    value: T
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is not JSON: a page, a text, a file."""

    body: bytes
    media_type: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotModified:
    """What the client has already is still right (304); `headers` are those that would have come with it."""

    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer sent piece by piece as the iterator makes it; the iterator is closed when the client goes away.

    An error in the iterator breaks the connection off, so that nobody takes half an answer for a whole one. `over`
    is called once, however the answer ends, even when the iterator was never asked for anything.
    """

    chunks: AsyncIterator[bytes]
    media_type: str = "application/octet-stream"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    over: Callable[[], None] | None = None


class Answer:
    """A finished answer; `headers` are complete but for those that the server adds."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: HeaderList, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    async def send(self, receive: Receive, send: Send, *, with_body: bool) -> None:
        """Send it; without its body for HEAD, whose headers are those of GET."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body if with_body else b""})


class StreamedAnswer:
    """An answer whose body is still to be made."""

    __slots__ = ("chunks", "headers", "over", "status")

    def __init__(
        self,
        status: int,
        headers: HeaderList,
        chunks: AsyncIterator[bytes],
        over: Callable[[], None] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks
        self.over = over

    async def send(self, receive: Receive, send: Send, *, with_body: bool) -> None:
        """Send it piece by piece until it ends or the client goes away; either way the iterator is closed.

        Raises what the iterator raises; the server then breaks the connection off.
        """
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            if with_body:
                await _send_until_disconnected(self.chunks, receive, send)
        finally:
            if self.over is not None:
                self.over()
            await _close(self.chunks)
        await send({"type": "http.response.body", "body": b""})


def json_answer(value: object, status: int) -> Answer:
    """The value as JSON."""
    body = wire.encode(value)
    return Answer(status, [_JSON, (b"content-length", b"%d" % len(body))], body)


def empty_answer(status: int) -> Answer:
    """No body; 204 and 304 have no length either (RFC 9110, section 8.6)."""
    return Answer(status, [] if status in (204, 304) else [(b"content-length", b"0")], b"")


def answer_of(result: object, route_status: int) -> Answer | StreamedAnswer:
    """What a handler returned, as an answer."""
    special = _SPECIAL_ANSWERS.get(type(result))
    return json_answer(result, route_status) if special is None else special(result, route_status)


def _no_answer(_: None, route_status: int) -> Answer:
    return empty_answer(204 if route_status == 200 else route_status)


def _reply_answer(reply: Reply[Any], route_status: int) -> Answer | StreamedAnswer:
    answer = answer_of(reply.value, reply.status or route_status)
    answer.headers += encoded_headers(reply.headers)
    answer.status = reply.status or answer.status
    return answer


def _content_answer(content: Content, route_status: int) -> Answer:
    length = (b"content-length", b"%d" % len(content.body))
    headers = [_type(content.media_type), length, *encoded_headers(content.headers)]
    return Answer(content.status or route_status, headers, content.body)


def _not_modified_answer(unchanged: NotModified, _: int) -> Answer:
    return Answer(304, encoded_headers(unchanged.headers), b"")


def _stream_answer(stream: Stream, route_status: int) -> StreamedAnswer:
    headers = [_type(stream.media_type), *encoded_headers(stream.headers)]
    return StreamedAnswer(stream.status or route_status, headers, stream.chunks, stream.over)


_SPECIAL_ANSWERS: dict[type, Callable[[Any, int], Answer | StreamedAnswer]] = {
    type(None): _no_answer,
    Reply: _reply_answer,
    Content: _content_answer,
    NotModified: _not_modified_answer,
    Stream: _stream_answer,
}


def problem_answer(problem: Problem, *, instance: str, trace_id: str) -> Answer:
    """The problem as the caller sees it (RFC 9457)."""
    body = wire.encode(problem.details(instance=instance, trace_id=trace_id))
    length = (b"content-length", b"%d" % len(body))
    return Answer(problem.status, [_PROBLEM, length, *encoded_headers(problem.headers)], body)


def encoded_headers(headers: Mapping[str, str]) -> HeaderList:
    """Header names and values as the server wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _type(media_type: str) -> tuple[bytes, bytes]:
    return (b"content-type", media_type.encode("latin-1"))


async def _send_until_disconnected(chunks: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    sending = asyncio.ensure_future(_send_chunks(chunks, send))
    watching = asyncio.ensure_future(_disconnection(receive))
    try:
        await asyncio.wait((sending, watching), return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        if not sending.done():
            sending.cancel()
        await asyncio.gather(sending, watching, return_exceptions=True)
    if not sending.cancelled():
        sending.result()


async def _send_chunks(chunks: AsyncIterator[bytes], send: Send) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _close(chunks: AsyncIterator[bytes]) -> None:
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()
