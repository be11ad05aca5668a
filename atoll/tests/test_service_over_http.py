"""A service behind its real server and a socket: what the bytes of an answer are."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from atoll.endpoints import Request, Route, Stream
from atoll.lifecycle.uvicorn_listener import UvicornListener
from atoll.service import Service
from atoll.testing.raw_http import RawClient, connected
from atoll.wire import StrictModel


class Note(StrictModel):
    text: str


class Handlers:
    def __init__(self) -> None:
        self.stream_closed = asyncio.Event()

    async def read(self, note_id: str) -> Note:
        return Note(text=note_id)

    async def write(self, note: Note) -> Note:
        return note

    async def forget(self) -> None: ...

    async def count(self, request: Request) -> list[int]:
        return [sum([len(chunk) async for chunk in request.stream()])]

    async def two(self) -> Stream:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return Stream(pieces(), "text/plain")

    async def broken(self) -> Stream:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            raise RuntimeError("broken")

        return Stream(pieces())

    async def endless(self) -> Stream:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"first"
                await asyncio.Event().wait()
            finally:
                self.stream_closed.set()

        return Stream(pieces())

    def table(self) -> list[Route]:
        return [
            Route("GET", "/notes/{note_id}", self.read),
            Route("POST", "/notes", self.write, status=201),
            Route("DELETE", "/notes", self.forget),
            Route("POST", "/count", self.count, body_limit=4 * 1024 * 1024),
            Route("GET", "/two", self.two),
            Route("GET", "/broken", self.broken),
            Route("GET", "/endless", self.endless),
        ]


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def client(handlers: Handlers) -> AsyncIterator[RawClient]:
    service = Service("notes", handlers.table())
    listener = UvicornListener(service.app, "127.0.0.1", 0)
    async with service.running():
        address = await listener.start()
        async with connected(address.port) as client:
            yield client
        await listener.stop_accepting()
        await listener.drain(5)


def post(path: str, body: bytes, *fields: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


JSON = "Content-Type: application/json"


async def test_many_requests_share_a_connection_whatever_they_come_to(client: RawClient) -> None:
    statuses = [
        (await client.request(request)).status
        for request in (
            b"GET /notes/7 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"HEAD /notes/7 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"OPTIONS /notes HTTP/1.1\r\nHost: x\r\n\r\n",
            b"DELETE /notes HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PUT /notes HTTP/1.1\r\nHost: x\r\n\r\n",
            post("/notes", b'{"text":"a"}', JSON),
            post("/notes", b'{"text":1}', JSON),
            post("/notes", b"{", JSON),
            post("/notes", b"x", "Content-Type: text/plain"),
            post("/nowhere", b"x" * 100_000),
            b"GET /two HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        )
    ]

    assert [200, 200, 204, 204, 405, 201, 422, 400, 415, 404, 200, 200] == statuses


async def test_answers_have_a_date_and_do_not_name_the_server_program(client: RawClient) -> None:
    answer = await client.request(b"GET /notes/7 HTTP/1.1\r\nHost: x\r\n\r\n")

    assert "date" in answer.fields
    assert "uvicorn" not in answer.fields.get("server", "")


async def test_a_chunked_body_is_read_like_any_other(client: RawClient) -> None:
    head = b"POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await client.request(head + b'4\r\n{"te\r\n8\r\nxt":"a"}\r\n0\r\n\r\n')

    assert (201, {"text": "a"}) == (answer.status, answer.json())


async def test_a_large_body_streams_through(client: RawClient) -> None:
    answer = await client.request(post("/count", b"x" * 3_000_000))

    assert [3_000_000] == answer.json()


async def test_a_body_over_the_limit_is_refused_and_the_connection_closed(client: RawClient) -> None:
    head = f"POST /notes HTTP/1.1\r\nHost: x\r\n{JSON}\r\nContent-Length: 2000000\r\n\r\n"
    answer = await client.request(head.encode())

    assert (413, "close") == (answer.status, answer.fields["connection"])
    assert await client.is_closed()


async def test_a_chunked_body_over_the_limit_is_refused_as_well(client: RawClient) -> None:
    head = f"POST /notes HTTP/1.1\r\nHost: x\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
    await client.send(head.encode())
    await client.send(b"100001\r\n" + b" " * 0x100001)
    answer = await client.answer()

    assert 413 == answer.status


async def test_what_is_not_http_is_refused_in_the_form_of_every_error(client: RawClient) -> None:
    await client.send(b"GET / NONSENSE\r\n\r\n")
    answer = await client.answer()

    assert (400, "application/problem+json", "close") == (
        answer.status,
        answer.fields["content-type"],
        answer.fields["connection"],
    )
    assert "/problems/bad-request" == answer.json()["type"]
    assert "date" in answer.fields  # of every answer from a server with a clock (RFC 9110, section 6.6.1)
    assert await client.is_closed()


async def test_a_client_that_waits_for_a_word_before_it_sends_gets_one(client: RawClient) -> None:
    await client.send(post("/notes", b"", JSON, "Expect: 100-continue").replace(b"Length: 0", b"Length: 12"))
    status, _ = await client.head()
    await client.send(b'{"text":"a"}')
    answer = await client.answer()

    assert (100, 201) == (status, answer.status)


async def test_a_stream_without_a_length_is_chunked(client: RawClient) -> None:
    answer = await client.request(b"GET /two HTTP/1.1\r\nHost: x\r\n\r\n")

    assert ("chunked", b"onetwo") == (answer.fields["transfer-encoding"], answer.body)


async def test_a_stream_that_breaks_is_never_taken_for_a_whole_one(client: RawClient) -> None:
    await client.send(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
    status, _ = await client.head()
    rest = await client.rest()

    assert (200, b"3\r\none\r\n") == (status, rest)


async def test_a_stream_is_closed_when_the_client_hangs_up(client: RawClient, handlers: Handlers) -> None:
    await client.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    await client.head()
    first = await client.chunk()
    client.hang_up()
    await asyncio.wait_for(handlers.stream_closed.wait(), 5)

    assert b"first" == first
