"""How events look on the wire."""

from collections.abc import AsyncIterator

from atoll.endpoints import Route, Stream
from atoll.endpoints.server_sent_events import HEARTBEAT_COMMENT, LastEventId, event, event_stream, retry_after
from atoll.service import Service
from atoll.testing.asgi import AppClient


async def news(last_event_id: LastEventId = None) -> Stream:
    async def events() -> AsyncIterator[bytes]:
        yield retry_after(1.5)
        yield event(b'{"after": "%b"}' % (last_event_id or "").encode(), event_id="8")
        yield HEARTBEAT_COMMENT

    return event_stream(events())


async def test_events_are_sent_as_browsers_read_them() -> None:
    answer = await AppClient(Service("test", [Route("GET", "/news", news)]).app).get(
        "/news", headers={"Last-Event-ID": "7"}
    )

    assert b'retry: 1500\n\nid: 8\ndata: {"after": "7"}\n\n:\n\n' == answer.body
    assert {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "atoll-service": "test",
    } == answer.headers
