"""The server's end of a connection, over real sockets, against an application that notes and echoes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from atoll.http1.request_head import RequestHead
from atoll.http1.server import HttpServer
from atoll.http1.server_connection import ServerConnection
from atoll.http1.server_limits import ServerLimits
from atoll.problems import Problem
from atoll.testing.raw_http import RawClient, connected

TEXT = b"content-type: text/plain\r\n"


@dataclass
class Taken:
    """One request as the application got it."""

    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    complete: bool = False
    abandoned: bool = False
    drained: bool = False
    problem: Problem | None = None
    pauses: list[str] = field(default_factory=list)


class Echo:
    """Answers a whole request with its method, target and body; `on_begin` may do something else at the head."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.refused: list[Problem] = []
        self.connections: list[ServerConnection] = []
        self.changed = asyncio.Event()
        self.on_begin: Callable[[RequestHead, ServerConnection], bool] = lambda head, connection: False

    def begin(self, head: RequestHead, connection: ServerConnection) -> "EchoExchange | None":
        self.taken.append(Taken(head.method, head.target, list(head.fields.items())))
        self.connections.append(connection)
        self.note()
        if self.on_begin(head, connection):
            return None
        exchange = EchoExchange(self, self.taken[-1], connection)
        if not head.has_body:
            exchange.body_complete()
            return None
        return exchange

    def refusal(self, problem: Problem, head: RequestHead | None, connection: ServerConnection) -> tuple[bytes, bytes]:
        self.refused.append(problem)
        return TEXT, problem.detail.encode()

    def note(self) -> None:
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class EchoExchange:
    def __init__(self, echo: Echo, taken: Taken, connection: ServerConnection) -> None:
        self.echo = echo
        self.taken = taken
        self.connection = connection

    def body_received(self, data: bytes) -> None:
        self.taken.body += data
        self.echo.note()

    def body_complete(self) -> None:
        self.taken.complete = True
        self.connection.answer(200, TEXT, b" ".join((self.taken.method, self.taken.target, self.taken.body)))

    def pause_answer(self) -> None:
        self.taken.pauses.append("pause")
        self.echo.note()

    def resume_answer(self) -> None:
        self.taken.pauses.append("resume")
        self.echo.note()

    def drain(self) -> None:
        self.taken.drained = True
        self.echo.note()

    def abandoned(self, problem: Problem | None) -> None:
        self.taken.abandoned = True
        self.taken.problem = problem
        self.echo.note()

    def check_time(self, now: float) -> None:
        pass


class Silent(Echo):
    """Answers nothing by itself."""

    def begin(self, head: RequestHead, connection: ServerConnection) -> EchoExchange | None:
        self.taken.append(Taken(head.method, head.target, list(head.fields.items())))
        self.connections.append(connection)
        self.note()
        return SilentExchange(self, self.taken[-1], connection)


class SilentExchange(EchoExchange):
    def body_complete(self) -> None:
        self.taken.complete = True
        self.echo.note()


@contextlib.asynccontextmanager
async def serving(echo: Echo, limits: ServerLimits | None = None) -> AsyncIterator[tuple[HttpServer, int]]:
    server = HttpServer(echo, "127.0.0.1", 0, limits=limits, sweep_interval=0.02)
    _, port = await server.start()
    try:
        yield server, port
    finally:
        await server.stop_accepting()
        await server.drain(0)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def client(echo: Echo) -> AsyncIterator[RawClient]:
    async with serving(echo) as (_, port), connected(port) as client:
        yield client


Begin = Callable[[RequestHead, ServerConnection], bool]


def answering(status: int, body: bytes = b"") -> Begin:
    def begin(head: RequestHead, connection: ServerConnection) -> bool:
        connection.answer(status, TEXT, body)
        return True

    return begin


GET = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_request_reaches_the_application_and_its_answer_the_client(client: RawClient, echo: Echo) -> None:
    answer = await client.request(b"GET /a?b=1 HTTP/1.1\r\nHost: x\r\nX-Some:  thing \r\n\r\n")

    assert (answer.status, answer.body) == (200, b"GET /a?b=1 ")
    assert echo.taken[0].fields == [(b"x-some", b"thing")]


async def test_a_connection_serves_one_request_after_the_other(client: RawClient) -> None:
    bodies = [(await client.request(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n)).body for n in range(5)]

    assert bodies == [b"GET /%d " % n for n in range(5)]


async def test_bodies_come_with_a_length_or_in_chunks(client: RawClient, echo: Echo) -> None:
    sized = await client.request(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
    chunked = await client.request(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: dropped\r\n\r\n"
    )

    assert sized.body == chunked.body == b"POST / hello"
    assert echo.taken[1].fields == []


async def test_pipelined_requests_are_answered_in_their_order(client: RawClient) -> None:
    post = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    await client.send(GET + post + GET + b"POST /q HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nbc" + GET)
    bodies = [(await client.answer()).body for _ in range(5)]

    assert bodies == [b"GET /a?b ", b"POST /p a", b"GET /a?b ", b"POST /q bc", b"GET /a?b "]


async def test_the_cut_of_the_bytes_changes_nothing(client: RawClient) -> None:
    post = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    await client.send_in_pieces(b"\r\n" + GET + post + b"\r\n\r\n" + GET)
    bodies = [(await client.answer()).body for _ in range(3)]

    assert bodies == [b"GET /a?b ", b"POST /p a", b"GET /a?b "]


async def test_requests_ahead_of_their_turn_are_read_only_so_far() -> None:
    silent = Silent()
    async with serving(silent, ServerLimits(held=1000)) as (_, port), connected(port) as client:
        sending = asyncio.create_task(client.send(GET * 300_000))
        await silent.until(lambda: bool(silent.taken))
        done, _ = await asyncio.wait([sending], timeout=0.2)
        sending.cancel()

        assert not done
        assert len(silent.taken) == 1


async def test_100_continue_invites_the_body_when_somebody_wants_it(client: RawClient) -> None:
    await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    status, fields = await client.head()
    await client.send(b"ab")
    answer = await client.answer()

    assert (status, fields) == (100, {})
    assert answer.body == b"POST / ab"


async def test_no_body_is_invited_that_nobody_wants(client: RawClient, echo: Echo) -> None:
    echo.on_begin = answering(403, b"no")
    answer = await client.request(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")

    assert answer.status == 403
    assert answer.fields["connection"] == "close"
    assert await client.is_closed()


async def test_a_small_body_nobody_wants_is_dropped_and_the_connection_stays(client: RawClient, echo: Echo) -> None:
    refuse = answering(403, b"no")
    echo.on_begin = lambda head, connection: head.method == b"POST" and refuse(head, connection)
    await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
    refused = await client.answer()
    await client.send(b"cd" + GET)
    answer = await client.answer()

    assert refused.status == 403
    assert answer.body == b"GET /a?b "


async def test_a_large_body_nobody_wants_ends_the_connection_but_not_before_the_answer(
    client: RawClient, echo: Echo
) -> None:
    echo.on_begin = answering(403, b"no" * 1000)
    await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n" + b"x" * 200_000)
    answer = await client.answer()

    assert (answer.status, len(answer.body)) == (403, 2000)
    assert answer.fields["connection"] == "close"


async def test_http_1_0_closes_unless_asked_to_stay(client: RawClient) -> None:
    stays = await client.request(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    closes = await client.request(b"GET / HTTP/1.0\r\n\r\n")

    assert stays.fields["connection"] == "keep-alive"
    assert closes.fields["connection"] == "close"
    assert await client.is_closed()


async def test_a_client_can_ask_for_the_end(client: RawClient) -> None:
    answer = await client.request(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.fields["connection"] == "close"
    assert await client.is_closed()


async def test_an_answer_of_unknown_length_is_chunked_or_ends_with_the_connection(
    client: RawClient, echo: Echo
) -> None:
    def stream(head: RequestHead, connection: ServerConnection) -> bool:
        connection.start_answer(200, TEXT, None)
        connection.write(b"one ")
        connection.write(b"two")
        connection.finish_answer()
        return True

    echo.on_begin = stream
    new = await client.request(GET)
    old = await client.request(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert (new.fields["transfer-encoding"], new.body) == ("chunked", b"one two")
    assert "transfer-encoding" not in old.fields
    assert (old.fields["connection"], old.body) == ("close", b"one two")


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_get_none(client: RawClient, echo: Echo, status: int) -> None:
    echo.on_begin = answering(status)
    await client.send(GET + GET)

    assert [(await client.answer()).status for _ in range(2)] == [status, status]


async def test_the_answer_to_head_has_a_length_and_no_body(client: RawClient) -> None:
    await client.send(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    head = await client.answer(to_head=True)
    get = await client.answer()

    assert head.fields["content-length"] == str(len(b"HEAD /a "))
    assert get.body == b"GET /a?b "


async def test_fields_that_concern_the_connection_never_reach_the_application(client: RawClient, echo: Echo) -> None:
    await client.request(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\n"
        b"Proxy-Authorization: x\r\nTrailer: y\r\nUpgrade: h2c\r\nProxy-Connection: close\r\nX-Stays: 2\r\n\r\n"
    )

    assert echo.taken[0].fields == [(b"x-stays", b"2")]


async def test_no_other_protocol_is_ever_switched_to(client: RawClient, echo: Echo) -> None:
    answer = await client.request(
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc"
    )
    after = await client.request(GET)

    assert (answer.status, answer.body) == (200, b"POST / abc")
    assert after.body == b"GET /a?b "


async def test_an_absolute_target_is_read_as_its_path(client: RawClient) -> None:
    answer = await client.request(b"GET http://X:80/p?q HTTP/1.1\r\nHost: x:80\r\n\r\n")
    bare = await client.request(b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.body == b"GET /p?q "
    assert bare.body == b"GET / "


H = b"GET / HTTP/1.1\r\nHost: x\r\n"
P = b"POST / HTTP/1.1\r\nHost: x\r\n"
C = P + b"Transfer-Encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF after a field": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare CR in a value": H + b"A: b\rc\r\n\r\n",
    "bare CR before CR LF": H + b"A: b\r\r\n\r\n",
    "leading LF": b"\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a value": H + b"A: b\0c\r\n\r\n",
    "control byte in a value": H + b"A: b\x01c\r\n\r\n",
    "DEL in a value": H + b"A: b\x7fc\r\n\r\n",
    "folded field": H + b"A: b\r\n c\r\n\r\n",
    "first field folded": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "space before the colon": H + b"A : b\r\n\r\n",
    "tab before the colon": H + b"A\t: b\r\n\r\n",
    "space in a name": H + b"A b: c\r\n\r\n",
    "empty name": H + b": b\r\n\r\n",
    "no colon": H + b"Ab\r\n\r\n",
    "odd byte in a name": H + b"A(: b\r\n\r\n",
    "high byte in a name": H + b"\xe4: b\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": H + b"Host: x\r\n\r\n",
    "empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "Host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "Host with a user": b"GET / HTTP/1.1\r\nHost: u@x\r\n\r\n",
    "Host as a list": b"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
    "Host with an odd port": b"GET / HTTP/1.1\r\nHost: x:1a\r\n\r\n",
    "target of another host": b"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "target with a user": b"GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "target of another scheme": b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "target without a slash": b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
    "target with a fragment": b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "target with a high byte": b"GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n",
    "target with a control byte": b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "star for a GET": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "space after the version": b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "space before the method": b" GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\nHost: x\r\n\r\n",
    "version 0.9": b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "version 1.10": b"GET / HTTP/1.10\r\nHost: x\r\n\r\n",
    "version in small letters": b"GET / http/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "method in small letters": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "length and chunked": P + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": P + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    "two lengths": P + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "the same length twice": P + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "length as a list": P + b"Content-Length: 1, 1\r\n\r\na",
    "length with a sign": P + b"Content-Length: +1\r\n\r\na",
    "negative length": P + b"Content-Length: -1\r\n\r\na",
    "empty length": P + b"Content-Length:\r\n\r\n",
    "hexadecimal length": P + b"Content-Length: 0x1\r\n\r\na",
    "length in other digits": P + b"Content-Length: \xb2\r\n\r\na",
    "length with a space inside": P + b"Content-Length: 1 1\r\n\r\na",
    "absurd length": P + b"Content-Length: 99999999999999999999\r\n\r\na",
    "chunked twice": P + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": P + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": P + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "gzip alone": P + b"Transfer-Encoding: gzip\r\n\r\n",
    "identity": P + b"Transfer-Encoding: identity\r\n\r\n",
    "xchunked": P + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "quoted chunked": P + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "empty transfer coding": P + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "chunked with a tab": P + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked with a parameter": P + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size missing": C + b"\r\na\r\n0\r\n\r\n",
    "chunk size with a sign": C + b"+1\r\na\r\n0\r\n\r\n",
    "chunk size with 0x": C + b"0x1\r\na\r\n0\r\n\r\n",
    "chunk size with a space": C + b"1 \r\na\r\n0\r\n\r\n",
    "chunk size after a space": C + b" 1\r\na\r\n0\r\n\r\n",
    "chunk size too big": C + b"fffffffffffffffff\r\n",
    "chunk size with an underscore": C + b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n",
    "chunk line ends in LF": C + b"1\na\r\n0\r\n\r\n",
    "chunk longer than its size": C + b"1\r\nab\r\n0\r\n\r\n",
    "chunk shorter than its size": C + b"3\r\na\r\n0\r\n\r\n",
    "chunk data ends in LF": C + b"1\r\na\n0\r\n\r\n",
    "last chunk ends in LF": C + b"0\n\r\n",
    "bare CR in an extension": C + b"1;a\rb\r\na\r\n0\r\n\r\n",
    "malformed trailer": C + b"0\r\nno colon\r\n\r\n",
    "trailer with a space in its name": C + b"0\r\na b: c\r\n\r\n",
    "trailer ends in LF": C + b"0\r\na: b\n\r\n",
}  # fmt: skip

REFUSED = frozenset({400, 501, 505})


@pytest.mark.parametrize("raw", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closes(
    echo: Echo, client: RawClient, raw: bytes
) -> None:
    await client.send(raw + GET)
    answer = await client.answer()

    assert answer.status in REFUSED
    assert answer.fields["connection"] == "close"
    assert await client.is_closed()
    assert not any(taken.complete for taken in echo.taken)


async def test_the_refusal_does_not_depend_on_the_cut_nor_on_what_came_before(echo: Echo) -> None:
    async with serving(echo) as (_, port):
        for name, raw in AMBIGUOUS.items():
            for start, size in ((b"", 1), (GET, 1), (GET, len(raw)), (b"", 7)):
                async with connected(port) as client:
                    sending = asyncio.create_task(client.send_in_pieces(start + raw, size))
                    if start:
                        assert (await client.answer()).status == 200, name
                    answer = await client.answer()
                    sending.cancel()

                    assert answer.status in REFUSED, name


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /" + b"a" * 8200 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /" + b"a" * 9000, 414),
        (H + b"A: " + b"a" * 17_000 + b"\r\n\r\n", 431),
        (H + b"A: " + b"a" * 17_000, 431),
        (H + b"".join(b"A%d: b\r\n" % n for n in range(100)) + b"\r\n", 431),
        (H + b"TE: b\r\n" * 100 + b"\r\n", 431),
        (C + b"1;" + b"e" * 2000 + b"\r\n", 400),
        (C + b"".join(b"1;%b\r\na\r\n" % (b"e" * 1000) for _ in range(17)), 431),
        (C + b"0\r\n" + b"A: b\r\n" * 5000 + b"\r\n", 431),
    ],
    ids=["long line", "endless line", "long head", "endless head", "many fields", "many hop-by-hop fields",
         "long extension", "many extensions", "many trailers"],
)  # fmt: skip
async def test_heads_are_bounded(client: RawClient, raw: bytes, status: int) -> None:
    await client.send(raw)
    answer = await client.answer()

    assert answer.status == status
    assert answer.fields["connection"] == "close"


async def test_what_just_keeps_the_limits_is_accepted(client: RawClient) -> None:
    fields = b"".join(b"A%d: b\r\n" % n for n in range(98))
    line = b"GET /" + b"a" * (8192 - len(b"GET / HTTP/1.1\r\n")) + b" HTTP/1.1\r\n"
    answer = await client.request(line + b"Host: x\r\n" + fields + b"B: " + b"b" * 6000 + b"\r\n\r\n")

    assert answer.status == 200


async def test_a_body_in_chunks_is_bounded_too(echo: Echo) -> None:
    async with serving(echo, ServerLimits(body=10)) as (_, port), connected(port) as client:
        await client.send(C + b"6\r\nabcdef\r\n5\r\nabcde\r\n0\r\n\r\n")
        answer = await client.answer()

        assert answer.status == 413
        assert echo.taken[0].abandoned
        assert await client.is_closed()


async def test_a_length_over_the_limit_can_be_refused_at_once(echo: Echo) -> None:
    problems = []

    def limit(head: RequestHead, connection: ServerConnection) -> bool:
        try:
            connection.limit_body(3)
        except Problem as problem:
            problems.append(problem.status)
            connection.answer(problem.status, TEXT, b"")
            return True
        return False

    echo.on_begin = limit
    async with serving(echo) as (_, port), connected(port) as client:
        answer = await client.request(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")

    assert (answer.status, problems) == (413, [413])


async def test_a_head_has_its_time(echo: Echo) -> None:
    async with serving(echo, ServerLimits(head_timeout=0.05)) as (_, port), connected(port) as client:
        await client.request(GET)
        await client.send(b"GET / HT")
        answer = await client.answer()

        assert answer.status == 408
        assert await client.is_closed()


async def test_a_body_has_its_time(echo: Echo) -> None:
    async with serving(echo, ServerLimits(body_timeout=0.05)) as (_, port), connected(port) as client:
        await client.send(P + b"Content-Length: 10\r\n\r\nab")
        answer = await client.answer()

        assert answer.status == 408
        assert echo.taken[0].abandoned
        assert await client.is_closed()


async def test_a_body_that_keeps_coming_has_more_time(echo: Echo) -> None:
    limits = ServerLimits(body_timeout=0.05, body_rate=10)
    async with serving(echo, limits) as (_, port), connected(port) as client:
        await client.send(P + b"Content-Length: 12\r\n\r\n0123456789")
        await asyncio.sleep(0.3)
        await client.send(b"ab")
        answer = await client.answer()

        assert answer.status == 200


async def test_time_in_which_nobody_takes_the_body_is_not_the_clients_fault() -> None:
    silent = Silent()
    async with serving(silent, ServerLimits(body_timeout=0.05)) as (_, port), connected(port) as client:
        await client.send(P + b"Content-Length: 4\r\n\r\n")
        await silent.until(lambda: bool(silent.connections))
        silent.connections[0].pause_body()
        await client.send(b"abcd")
        await asyncio.sleep(0.2)
        held = silent.taken[0].body
        silent.connections[0].resume_body()

        assert (held, silent.taken[0].body, silent.taken[0].complete) == (b"", b"abcd", True)
        assert not silent.taken[0].abandoned


async def test_idle_connections_close_without_a_word(echo: Echo) -> None:
    async with serving(echo, ServerLimits(idle_timeout=0.05)) as (_, port), connected(port) as client:
        assert await client.is_closed()


async def test_a_client_that_goes_is_noticed() -> None:
    silent = Silent()
    async with serving(silent) as (_, port):
        async with connected(port) as client:
            await client.send(GET)
            await silent.until(lambda: bool(silent.taken))
        await silent.until(lambda: silent.taken[0].abandoned)

    assert silent.taken[0].problem is None


async def test_a_slow_reader_is_waited_for_with_bounded_memory_and_then_cut() -> None:
    silent = Silent()
    limits = ServerLimits(write_timeout=0.1)
    async with serving(silent, limits) as (_, port), connected(port) as client:
        client.pause()
        await client.send(GET)
        await silent.until(lambda: bool(silent.connections))
        connection = silent.connections[0]
        connection.start_answer(200, TEXT, None)
        written = 0
        while not silent.taken[0].pauses:
            connection.write(b"x" * 65536)
            written += 65536
        await silent.until(lambda: silent.taken[0].abandoned)

        assert silent.taken[0].pauses == ["pause"]
        assert written < 20 * 1024 * 1024


@pytest.mark.parametrize(("rate", "cut"), [(10**9, True), (1, False)])
async def test_who_reads_now_and_then_has_more_time_only_for_what_was_taken(rate: int, cut: bool) -> None:
    silent = Silent()
    limits = ServerLimits(write_timeout=0.4, write_rate=rate)
    async with serving(silent, limits) as (_, port), connected(port) as client:
        client.pause()
        await client.send(GET)
        await silent.until(lambda: bool(silent.connections))
        connection, taken = silent.connections[0], silent.taken[0]
        connection.start_answer(200, TEXT, None)
        for rounds in range(1, 5):
            while len(taken.pauses) < 2 * rounds - 1 and not taken.abandoned:
                connection.write(b"x" * 65536)
            await asyncio.sleep(0.15)  # in which nothing is read
            client.resume()
            reading = asyncio.create_task(client.read(1024 * 1024 * 1024))
            await silent.until(lambda rounds=rounds: taken.abandoned or len(taken.pauses) == 2 * rounds)  # type: ignore[misc]  # mypy and defaults
            reading.cancel()
            client.pause()

        assert taken.abandoned == cut


async def test_writing_goes_on_when_the_reader_does() -> None:
    silent = Silent()
    async with serving(silent) as (_, port), connected(port) as client:
        client.pause()
        await client.send(GET)
        await silent.until(lambda: bool(silent.connections))
        connection = silent.connections[0]
        connection.start_answer(200, TEXT, None)
        while not silent.taken[0].pauses:
            connection.write(b"x" * 65536)
        client.resume()
        reading = asyncio.create_task(client.answer())
        await silent.until(lambda: silent.taken[0].pauses == ["pause", "resume"])
        connection.finish_answer()

        assert (await reading).body.strip(b"x") == b""


def resting_at_first(head: RequestHead, connection: ServerConnection) -> bool:
    """The first request of a connection is answered, and its connection put to rest."""
    if head.target == b"/first":
        connection.rest()
        connection.answer(200, TEXT, b"")
        return True
    return False


@pytest.mark.parametrize("together", [True, False])
async def test_a_connection_at_rest_is_answered_nothing_more_until_it_is_woken(echo: Echo, together: bool) -> None:
    echo.on_begin = resting_at_first
    first = b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serving(echo) as (_, port), connected(port) as client, connected(port) as other:
        await client.send(first + GET if together else first)
        await client.answer()
        if not together:
            await client.send(GET)
        for _ in range(5):
            await other.request(GET)
        taken_meanwhile = [each.target for each in echo.taken]
        echo.connections[0].wake()
        answer = await client.answer()
        echo.connections[0].wake()  # again, for nothing
        again = await client.request(GET)

    assert taken_meanwhile == [b"/first"] + [b"/a?b"] * 5
    assert answer.body == again.body == b"GET /a?b "


async def test_what_waits_at_a_connection_at_rest_is_answered_before_the_server_stops(echo: Echo) -> None:
    echo.on_begin = resting_at_first
    async with serving(echo) as (server, port), connected(port) as client:
        await client.request(b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.send(GET)
        await server.stop_accepting()
        draining = asyncio.create_task(server.drain(10))
        answer = await client.answer()
        await draining

    assert (answer.status, answer.fields["connection"]) == (200, "close")


async def test_an_answer_that_breaks_off_cannot_be_taken_for_whole() -> None:
    silent = Silent()
    async with serving(silent) as (_, port):
        for raw, length in ((GET, None), (GET, 10), (b"GET / HTTP/1.0\r\n\r\n", None)):
            async with connected(port) as client:
                seen = len(silent.taken)
                await client.send(raw)
                await silent.until(lambda seen=seen: len(silent.taken) > seen)  # type: ignore[misc]  # mypy and defaults
                silent.connections[-1].start_answer(200, TEXT, length)
                silent.connections[-1].write(b"part")
                await asyncio.sleep(0.01)
                silent.connections[-1].cut_answer()

                with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                    await client.answer()


async def test_more_connections_than_allowed_are_refused(echo: Echo) -> None:
    async with serving(echo, ServerLimits(connections=1)) as (_, port), connected(port) as first:
        await first.request(GET)
        async with connected(port) as second:
            answer = await second.answer()
            still = await first.request(GET)

    assert answer.status == 503
    assert still.status == 200


async def test_draining_answers_what_is_in_hand_and_what_is_on_its_way() -> None:
    silent = Silent()
    echo_after = ServerLimits(drain_grace=0.5)
    async with serving(silent, echo_after) as (server, port), connected(port) as busy, connected(port) as idle:
        await busy.send(GET)
        await silent.until(lambda: len(silent.taken) == 1)
        await server.stop_accepting()
        draining = asyncio.create_task(server.drain(10))
        silent.connections[0].answer(200, TEXT, b"late")
        answer = await busy.answer()
        await idle.send(GET)
        await silent.until(lambda: len(silent.taken) == 2)
        silent.connections[1].answer(200, TEXT, b"last")
        last = await idle.answer()
        await draining

        assert (answer.body, answer.fields["connection"]) == (b"late", "close")
        assert (last.body, last.fields["connection"]) == (b"last", "close")
        with pytest.raises(OSError, match="Connect"):
            await asyncio.open_connection("127.0.0.1", port)


async def test_draining_ends_idle_connections_after_a_moment(echo: Echo) -> None:
    limits = ServerLimits(drain_grace=0.05)
    async with serving(echo, limits) as (server, port), connected(port) as client:
        await client.request(GET)
        await server.stop_accepting()
        await server.drain(10)

        assert await client.is_closed()
        assert not server.connections


async def test_draining_asks_endless_answers_to_come_to_their_end() -> None:
    silent = Silent()
    async with serving(silent) as (server, port), connected(port) as client:
        await client.send(GET)
        await silent.until(lambda: bool(silent.taken))
        silent.connections[0].start_answer(200, TEXT, None)
        silent.connections[0].write(b"first")
        before = silent.taken[0].drained
        await server.stop_accepting()
        endless = silent.connections[0].answer_is_endless
        silent.connections[0].finish_answer()
        answer = await client.answer()
        await server.drain(10)

        assert (False, True) == (before, silent.taken[0].drained)
        assert endless
        assert not silent.connections[0].answer_is_endless
        assert answer.body == b"first"


async def test_draining_is_bounded(echo: Echo) -> None:
    silent = Silent()
    async with serving(silent) as (server, port), connected(port) as client:
        await client.send(GET)
        await silent.until(lambda: bool(silent.taken))
        await server.stop_accepting()
        await server.drain(0.05)

        assert silent.taken[0].abandoned
        assert not server.connections
