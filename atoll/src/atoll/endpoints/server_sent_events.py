"""Server-sent events (WHATWG HTML, section 9.2): an answer that goes on, and tells what happens as it happens.

A client that loses the connection comes back by itself and says, in `Last-Event-ID`, which event it has seen last.
"""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, TypeAlias

from atoll.endpoints.annotations import Header
from atoll.endpoints.answers import Stream

MEDIA_TYPE = "text/event-stream"

HEARTBEAT = 15.0
"""Seconds without an event after which a comment is sent: proxies cut what is silent (the same section, 9.2.7)."""

HEARTBEAT_COMMENT = b":\n\n"

LastEventId: TypeAlias = Annotated[str | None, Header("Last-Event-ID")]

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""The second one is for nginx, which would gather events before it hands them on."""


def event(data: bytes, *, event_id: str) -> bytes:
    """One event; `data` is one line, such as JSON. `event_id` is what a client that comes back will name."""
    return b"id: %b\ndata: %b\n\n" % (event_id.encode("ascii"), data)


def retry_after(seconds: float) -> bytes:
    """Tells the client how long to wait before it comes back."""
    return b"retry: %d\n\n" % round(seconds * 1000)


def event_stream(events: AsyncIterator[bytes], over: Callable[[], None] | None = None) -> Stream:
    """The answer that `events` is sent as; `over` is called when it has ended."""
    return Stream(events, MEDIA_TYPE, headers=_HEADERS, over=over)
