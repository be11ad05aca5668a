"""What is noted of each visit."""

import io
import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from atoll.client_address import TrustedProxies
from atoll.gateway.access_log import AccessLog
from atoll.gateway.bookkeeping import MAX_WAITING, Bookkeeping
from atoll.gateway.caller import Caller
from atoll.gateway.visit import Visit
from atoll.http1.request_head import RequestFields, RequestHead
from atoll.identity.principal import Principal


def visit(target: bytes = b"/api/orders?token=secret", *, started: float = 0.0, ended: float = 0.1) -> Visit:
    head = RequestHead(b"GET", target, 1, RequestFields())
    traceparent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    made = Visit(head, Caller(head, "1.2.3.4", TrustedProxies()), started, b"id-1", traceparent)
    made.ended = ended
    made.template = "/orders"
    made.status = 200
    made.principal = Principal("somebody")
    return made


async def test_a_line_says_who_asked_what_and_how_it_went_but_no_query() -> None:
    stream = io.StringIO()
    AccessLog("gateway", stream).write(
        [visit(started=0.4876543211, ended=0.5), visit(b'/"\xe4')], start_of_time=1795329051.0
    )
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())

    assert first == {
        "time": "2026-11-22T06:30:51.500000Z",
        "level": "info",
        "service": "gateway",
        "event": "request",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "request_id": "id-1",
        "client": "1.2.3.4",
        "user": "somebody",
        "method": "GET",
        "path": "/api/orders",
        "route": "/orders",
        "status": 200,
        "bytes": 0,
        "seconds": 0.012346,
        "upstream": "",
        "attempts": 0,
    }
    assert second["path"] == '/"ä'


async def test_visits_are_booked_together_and_at_the_latest_in_the_end() -> None:
    stream = io.StringIO()
    registry = CollectorRegistry()
    async with Bookkeeping(AccessLog("gateway", stream)) as books:
        registry.register(books.metrics)
        books.in_hand = MAX_WAITING + 1
        for _ in range(MAX_WAITING):
            books.over(visit())
        in_one_go = len(stream.getvalue().splitlines())
        books.over(visit())
        before_the_end = len(stream.getvalue().splitlines())
        in_hand = books.in_hand
    labels = {"http_route": "/orders", "http_request_method": "GET", "http_response_status_code": "200"}

    assert (in_one_go, before_the_end, in_hand) == (MAX_WAITING, MAX_WAITING, 0)
    assert len(stream.getvalue().splitlines()) == MAX_WAITING + 1
    assert registry.get_sample_value("http_server_request_duration_seconds_count", labels) == MAX_WAITING + 1


async def test_a_reader_of_the_log_that_is_gone_does_not_hurt() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    AccessLog("gateway", Broken()).write([visit()], 0.0)


@pytest.mark.parametrize(("level", "wanted"), [("debug", True), ("info", True), ("warning", False), ("error", False)])
def test_lines_of_a_level_nobody_wants_are_not_made(level: str, wanted: bool) -> None:
    assert (AccessLog.fitting("log", "gateway", "json", level) is not None) is wanted  # type: ignore[arg-type]  # a level


async def test_the_combined_format_is_apaches_and_cannot_be_forged() -> None:
    stream = io.StringIO()
    made = visit(b'/api/"x"?secret=1')
    made.head.fields[b"user-agent"] = b'a "b" \\ \xe4'
    AccessLog("gateway", stream, combined=True).write([made], start_of_time=1795329051.0)

    assert stream.getvalue() == (
        '1.2.3.4 - somebody [22/Nov/2026:06:30:51 +0000] "GET /api/\\"x\\" HTTP/1.1" 200 0 "-" "a \\"b\\" \\\\ \\xe4"\n'
    )


@pytest.mark.parametrize(("wanted", "level", "made"), [("off", "info", False), ("combined", "error", True)])
def test_the_access_log_can_be_off_or_of_its_own_form(wanted: Any, level: Any, made: bool) -> None:
    assert (AccessLog.fitting(wanted, "gateway", "json", level) is not None) is made
