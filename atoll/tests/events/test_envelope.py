"""An event on the wire."""

import json

import pytest

from atoll import context
from atoll.context import RequestContext
from atoll.events.envelope import Event, EventSource, EventType, EventUnreadable, encode, read_envelope
from atoll.observability.tracing import TraceContext
from atoll.testing.clock import ManualClock
from atoll.wire import Model


class OrderPlaced(Model):
    order_id: str
    note: str = ""


PLACED = EventType("order.placed", OrderPlaced)


def placed() -> Event[OrderPlaced]:
    source = EventSource("orders", clock=ManualClock(), new_id=lambda: "e1")
    return source.event(PLACED, subject="o1", sequence=1, data=OrderPlaced(order_id="o1"))


def test_it_is_a_cloudevent_in_json() -> None:
    written = json.loads(encode(placed()))
    trace = written.pop("traceparent")

    assert TraceContext.parse(trace).header() == trace
    assert {
        "specversion": "1.0",
        "id": "e1",
        "source": "orders",
        "type": "order.placed",
        "subject": "o1",
        "time": "2030-01-01T00:00:00Z",
        "sequence": 1,
        "datacontenttype": "application/json",
        "data": {"orderId": "o1", "note": ""},
    } == written


def test_what_was_written_is_read_again() -> None:
    event = placed()

    assert event == PLACED.read(read_envelope(encode(event)))


def test_fields_that_are_not_known_yet_are_passed_over() -> None:
    written = json.loads(encode(placed()))
    written["data"]["gift"] = written["partitionkey"] = "x"

    assert "o1" == PLACED.read(read_envelope(json.dumps(written).encode())).data.order_id


def test_it_belongs_to_the_trace_of_the_request_in_hand() -> None:
    trace = TraceContext.fresh()
    token = context.current.set(RequestContext(trace, "r1"))
    try:
        found = TraceContext.parse(placed().traceparent)
    finally:
        context.current.reset(token)

    assert trace.trace_id == found.trace_id
    assert trace.span_id != found.span_id


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xfe", "The message cannot be read. The body is not JSON"),
        (b"{}", "The message cannot be read. /id: Object missing required field `id`."),
        (encode(placed()).replace(b'"1.0"', b'"2.0"'), "The message cannot be read. /specversion: Invalid enum value"),
        (
            encode(placed()).replace(b"orderId", b"order"),
            "The data of order.placed e1 cannot be read. /orderId: Object missing required field `orderId`.",
        ),
    ],
)
def test_what_cannot_be_read_is_explained(body: bytes, words: str) -> None:
    with pytest.raises(EventUnreadable) as refusal:
        PLACED.read(read_envelope(body))

    assert str(refusal.value).startswith(words)


def test_who_needs_less_of_the_data_reads_less() -> None:
    class Nothing(Model):
        pass

    read = PLACED.read_as(Nothing).read(read_envelope(encode(placed())))

    assert (PLACED.name, Nothing()) == (read.type, read.data)
