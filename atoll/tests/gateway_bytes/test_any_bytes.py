"""Any bytes at all: what the service saw is what the gateway logged, and what a strict reader finds in what was sent.

The short form tries some hundred streams of bytes. `make faults` tries 100,000, in rounds whose seeds are told:
BYTES_CASES says how many, BYTES_SEED where to begin.
"""

import asyncio
import contextlib
import fcntl
import itertools
import os
import socket
import sys
import termios
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import orjson
import pytest
import uvloop
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from atoll.gateway.settings import RouteSettings
from atoll.gateway.visit import CLIENT_GONE
from atoll.http1.request_head import HeadLimits
from atoll.http1.server_limits import ServerLimits
from atoll.testing.gateways import OpenGateway, open_gateway
from atoll.testing.request_recorder import RequestRecorder
from atoll.testing.strict_requests import StrictRequest, strict_requests

ROUTES = (RouteSettings(path="/things/**", to="things", access="public", methods=("GET", "HEAD", "POST", "DELETE")),)
LIMITS = ServerLimits(
    head=HeadLimits(line=300, head=2000, fields=30), body=1000, head_timeout=60, body_timeout=60, linger=60
)
"""Short in bytes, and with so much time that a busy machine changes nothing."""

ROUND = 1000
"""Cases that hypothesis makes in one go; it remembers what it has tried, and not without end."""

# Messages, well-formed and nearly so.

ODDITIES = [
    b"", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b"\x0b", b"\x7f", b"\x80", b"\xff", b":", b",", b";",
    b"=", b'"', b"0", b"1", b"9", b"a", b"F", b"0x", b"+", b"-", b"_", b"/", b"//", b"/../", b"%2e", b"%2f", b"%",
    b"\\", b"#", b"?", b"*", b"@", b"GET", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"Host: x\r\n", b"0\r\n\r\n",
    b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked", b" chunked", b"Connection: close\r\n",
    b"X-Request-Id: 1\r\n", b"1\r\na\r\n",
]  # fmt: skip

GOOD_TARGETS = st.sampled_from(
    [b"/api/things", b"/api/things/a", b"/api/v1/things/%61?b=c", b"/api/things/a/b;c", b"http://x/api/things",
     b"/api/things?a=//b"]
)  # fmt: skip
ODD_TARGETS = st.sampled_from(
    [b"/health", b"/api/things/..", b"/api//things", b"/api/other", b"*", b"/api/things/%2f", b"http://y/api/things"]
)
TARGETS = st.one_of(GOOD_TARGETS, GOOD_TARGETS, GOOD_TARGETS, ODD_TARGETS)
FIELDS = st.lists(
    st.sampled_from(
        [b"A: b", b"a:c", b"A:  b  ", b"Accept: \xe4", b"Cookie: a=1", b"cookie: b=2", b"Connection: A",
         b"Connection: keep-alive", b"Connection: close", b"Proxy-Connection: close", b"X-Forwarded-For: 6.6.6.6",
         b"X_Under: 1", b"Traceparent: 0", b"Upgrade: h2c", b"Connection: upgrade", b"TE: trailers",
         b"Expect: 100-continue", b"Keep-Alive: 1", b"Empty:"]
    ),
    max_size=4,
)  # fmt: skip
PIECES = st.lists(st.binary(min_size=1, max_size=20), max_size=3)
FRAMINGS = st.sampled_from(["none", "length", "chunked", "extended"] * 3 + ["both", "twice"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """One request; sometimes with two framings, which nobody may accept."""
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"DELETE"] * 2 + [b"BREW"]))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 5 + [b"HTTP/1.0"]))
    lines = [b"%b %b %b" % (method, draw(TARGETS), version), b"Host: x", *draw(FIELDS)]
    pieces = draw(PIECES)
    body = b"".join(pieces)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    length, chunked = b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked"
    framed = {
        "none": ([], b""),
        "length": ([length], body),
        "chunked": ([chunked], chunks),
        "extended": ([chunked], chunks.replace(b"\r\n", b";a=b\r\n", 1)),
        "both": ([length, chunked], chunks),
        "twice": ([length, length], body),
    }
    fields, data = framed[draw(FRAMINGS)]
    return b"\r\n".join([*lines, *fields, b"", b""]) + data


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A few requests in a row, with a few bytes of them replaced, taken out or put in."""
    stream = b"".join(draw(st.lists(messages(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(stream)))
        end = min(len(stream), start + draw(st.integers(0, 3)))
        stream = stream[:start] + draw(st.sampled_from(ODDITIES)) + stream[end:]
    return stream


STREAMS = st.one_of(mutated(), mutated(), mutated(), st.binary(max_size=200))


@dataclass(frozen=True)
class Case:
    """Bytes, and where they are cut on their way."""

    stream: bytes
    cuts: Sequence[int]

    def pieces(self) -> Iterator[bytes]:
        places = sorted({min(cut, len(self.stream)) for cut in self.cuts})
        for start, end in itertools.pairwise((0, *places, len(self.stream))):
            yield self.stream[start:end]


CASES = st.builds(Case, STREAMS, st.lists(st.integers(0, 300), max_size=3))


class Line(asyncio.Protocol):
    """A client's end that keeps what comes."""

    def __init__(self) -> None:
        self.received = b""
        self.closed = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True


def _under_way(transport: asyncio.BaseTransport) -> int:
    """Bytes that a socket has sent and its peer's kernel has not taken yet; 0 where that cannot be known."""
    end: socket.socket | None = transport.get_extra_info("socket")
    if end is None or end.fileno() < 0 or not sys.platform.startswith("linux"):
        return 0
    return int.from_bytes(fcntl.ioctl(end.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


class Bench:
    """A gateway that stays open from case to case, and what stands behind it."""

    def __init__(self, runner: asyncio.Runner, gateway: OpenGateway, recorder: RequestRecorder) -> None:
        self._runner = runner
        self._gateway = gateway
        self._recorder = recorder
        application: Any = gateway.server.application
        self._books = application.books
        self.tried = 0
        self.forwarded = 0
        """Requests that have come through so far."""

    def try_case(self, case: Case) -> None:
        """Send the bytes, and compare what everybody says of them."""
        self._recorder.forget()
        self._books.settle()
        self._gateway.log.seek(0)
        self._gateway.log.truncate()
        received = self._runner.run(self._send(case))
        self._books.settle()
        logged = [orjson.loads(line) for line in self._gateway.log.getvalue().splitlines()]
        self._compare(case.stream, logged, received)
        self.tried += 1
        self.forwarded += len(self._recorder.requests)

    async def _send(self, case: Case) -> bytes:
        """What comes back, once nothing more can: the gateway has closed, or waits for bytes."""
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(Line, "127.0.0.1", self._gateway.port)
        async with asyncio.timeout(10):
            for piece in case.pieces():
                if not line.closed:
                    line.transport.write(piece)
                    await self._quiet(line)
            line.transport.close()
            while self._gateway.server.connections:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0)
        return line.received

    async def _quiet(self, line: Line) -> None:
        """Return when nothing has happened for some turns of the loop, the gateway owes no answer, and nothing is on
        its way in the kernel, which a busy machine may leave there for a while: bytes, a connection, or its end."""
        before, turns = -1, 0
        while turns < 8 and not line.closed:
            await asyncio.sleep(0)
            connections: Any = self._gateway.server.connections
            owes = not connections or any("answers" in repr(each) for each in connections)
            under_way = sum(_under_way(each) for each in (line.transport, *(each._transport for each in connections)))
            now = len(line.received) + len(self._recorder.requests)
            turns = 0 if owes or under_way or now != before else turns + 1
            before = now

    def _compare(self, stream: bytes, logged: Sequence[dict[str, Any]], received: bytes) -> None:
        sent, _ = strict_requests(stream)
        seen = {request.value(b"x-request-id").decode(): request for request in self._recorder.requests}
        forwarded = [line for line in logged if line["request_id"] in seen]

        assert not self._recorder.violations
        assert len(seen) == len(self._recorder.requests)
        assert [line["request_id"] for line in forwarded] == list(seen), "not in order, or not logged"
        assert all(line["upstream"] for line in forwarded)
        for number, line in enumerate(logged):
            request = seen.get(line["request_id"])
            if request is not None:
                assert number < len(sent), f"a strict reader finds no request number {number + 1}"
                _compare_request(sent[number], line, request)
        _compare_answers(received, logged, seen)


def _compare_request(sent: StrictRequest, logged: dict[str, Any], seen: StrictRequest) -> None:
    """One request, as its client sent it, as the gateway logged it, and as the service saw it."""
    path, _, query = seen.target.partition(b"?")
    without_prefix = logged["path"].removeprefix("/api").removeprefix("/v1").encode()

    assert (logged["method"].encode(), without_prefix, logged["status"]) == (seen.method, path, 200)
    assert (sent.method, unquote_to_bytes(_path_of(sent.target))[-len(unquote_to_bytes(path)) :], sent.body) == (
        seen.method,
        unquote_to_bytes(path),
        seen.body,
    )
    assert sent.target.partition(b"?")[2] == query
    for name, value in seen.fields:
        if name not in OURS:
            separator = b"; " if name == b"cookie" else b", "
            assert separator.join(filter(None, sent.values(name))) == value, name


def _path_of(target: bytes) -> bytes:
    return target.removeprefix(b"http://x").partition(b"?")[0]


def _compare_answers(received: bytes, logged: Sequence[dict[str, Any]], seen: dict[str, StrictRequest]) -> None:
    """Every answer is whole, is the one to its request and logged as such, and mirrors what the service saw."""
    unanswered = iter(logged)
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        status = int(line.split(b" ")[1])
        if status == 100:
            continue
        fields = dict(each.split(b": ", 1) for each in lines)
        of = next(unanswered)
        length = 0 if of["method"] == "HEAD" else int(fields[b"content-length"])
        body, received = received[:length], received[length:]
        mirrored = seen.get(of["request_id"])

        assert (status, len(body)) == (of["status"], length)
        assert fields.get(b"x-request-id", of["request_id"].encode()) == of["request_id"].encode()
        assert mirrored is None or of["method"] == "HEAD" or body == mirrored.raw, "somebody else's answer"

    assert all(each["status"] == CLIENT_GONE for each in unanswered), "a request without an answer"


OURS = frozenset(
    (b"host", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"traceparent", b"x-request-id",
     b"atoll-remaining-ms", b"atoll-caller-retries", b"content-length", b"transfer-encoding")
)  # fmt: skip
"""What the gateway sets itself, framing with it."""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    async def opened(stack: contextlib.AsyncExitStack) -> tuple[RequestRecorder, OpenGateway]:
        recorder = await stack.enter_async_context(RequestRecorder())
        gateway = open_gateway({"things": recorder.port}, ROUTES, limits=LIMITS, log_level="info")
        return recorder, await stack.enter_async_context(gateway)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stack = contextlib.AsyncExitStack()
        try:
            recorder, gateway = runner.run(opened(stack))
            yield Bench(runner, gateway, recorder)
        finally:
            runner.run(stack.aclose())  # uvloop waits for ever for a server that was left open


def try_many(bench: Bench, cases: int, number: int) -> None:
    """Try so many cases, the same ones each time for the same number."""

    @seed(number)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(CASES)
    def attempt(case: Case) -> None:
        bench.try_case(case)

    attempt()


@pytest.mark.parametrize("number", range(2))
def test_what_the_service_saw_is_what_was_logged_and_sent(bench: Bench, number: int) -> None:
    before = bench.forwarded
    try_many(bench, 200, number)

    assert bench.forwarded - before > 25  # or it was all refused, and nothing is shown


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_what_the_service_saw_is_what_was_logged_and_sent_a_hundred_thousand_times(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = int(os.environ.get("BYTES_CASES", "100_000"))
    first = int(os.environ.get("BYTES_SEED", "1000"))
    tried, forwarded = bench.tried, bench.forwarded
    for number in range(first, first + -(-cases // ROUND)):
        try_many(bench, ROUND, number)
        with capsys.disabled():
            print(  # noqa: T201 - tells how far it is
                f"\r{bench.tried - tried:,} of {cases:,} streams of bytes tried, "
                f"{bench.forwarded - forwarded:,} requests forwarded, seed {number}",
                end="",
                flush=True,
            )

    assert bench.tried - tried >= cases * 0.9
