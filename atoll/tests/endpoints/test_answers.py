import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll import wire
from atoll.endpoints import Content, NotModified, Reply, Route, Stream
from atoll.service import Service
from atoll.testing.asgi import AppClient
from atoll.wire import Model


class Order(Model):
    id: str


async def value() -> Order:
    return Order(id="7")


async def nothing() -> None: ...


async def perhaps(there: bool) -> Order | None:
    return Order(id="7") if there else None


async def reply(kind: str) -> Reply[Order | wire.Raw | None] | Order:
    match kind:
        case "status":
            return Reply(Order(id="7"), status=202)
        case "headers":
            return Reply(Order(id="7"), headers={"Location": "/orders/7", "ETag": '"1"'})
        case "empty":
            return Reply(None, headers={"ETag": '"1"'})
        case "not modified":
            return Reply(None, status=304)
        case "stored":
            return Reply(wire.Raw(b'{"id" :  "7"}'), status=201)
        case _:
            return Order(id="8")


async def content() -> Content:
    return Content(b"a,b\r\n", "text/csv; charset=utf-8", headers={"Content-Disposition": "attachment"})


async def lines() -> AsyncIterator[bytes]:
    for word in (b"one ", b"", b"two"):
        yield word


async def broken_lines() -> AsyncIterator[bytes]:
    yield b"one "
    raise RuntimeError("broken")


async def stream() -> Stream:
    return Stream(lines(), "text/plain", headers={"Cache-Control": "no-store"})


async def broken_stream() -> Stream:
    return Stream(broken_lines())


async def bad_header() -> Reply[Order]:
    return Reply(Order(id="7"), headers={"X-Name": "\u4e2d"})


async def unwritable() -> Any:
    return object()


@pytest.fixture
def client() -> AppClient:
    routes = [
        Route("GET", "/value", value),
        Route("POST", "/value", value, status=201),
        Route("GET", "/nothing", nothing),
        Route("POST", "/nothing", nothing, status=202),
        Route("GET", "/perhaps", perhaps),
        Route("GET", "/reply", reply),
        Route("GET", "/content", content),
        Route("GET", "/stream", stream),
        Route("GET", "/broken-stream", broken_stream),
        Route("GET", "/bad-header", bad_header),
        Route("GET", "/unwritable", unwritable),
    ]
    return AppClient(Service("test", routes).app)


async def test_a_value_is_json_with_the_status_of_the_route(client: AppClient) -> None:
    get = await client.get("/value")
    post = await client.post("/value")

    assert (200, 201) == (get.status, post.status)
    assert (b'{"id":"7"}', "application/json", "10") == (
        get.body,
        get.headers["content-type"],
        get.headers["content-length"],
    )


async def test_none_is_204_unless_the_route_says_otherwise(client: AppClient) -> None:
    get = await client.get("/nothing")
    post = await client.post("/nothing")

    assert (204, {"atoll-service": "test"}, b"") == (get.status, get.headers, get.body)
    assert (202, {"content-length": "0", "atoll-service": "test"}, b"") == (post.status, post.headers, post.body)


async def test_none_may_be_one_of_the_answers(client: AppClient) -> None:
    there = await client.get("/perhaps?there=true")
    not_there = await client.get("/perhaps?there=false")

    assert (200, 204) == (there.status, not_there.status)


async def test_a_reply_may_have_a_status_of_its_own(client: AppClient) -> None:
    answer = await client.get("/reply?kind=status")

    assert (202, {"id": "7"}) == (answer.status, answer.json())


async def test_a_reply_may_have_headers(client: AppClient) -> None:
    answer = await client.get("/reply?kind=headers")

    assert (200, "/orders/7", '"1"') == (answer.status, answer.headers["location"], answer.headers["etag"])


async def test_a_reply_may_be_empty(client: AppClient) -> None:
    empty = await client.get("/reply?kind=empty")
    not_modified = await client.get("/reply?kind=not%20modified")

    assert (204, '"1"') == (empty.status, empty.headers["etag"])
    assert (304, {"atoll-service"}) == (not_modified.status, set(not_modified.headers))


async def test_a_stored_answer_is_sent_byte_for_byte(client: AppClient) -> None:
    answer = await client.get("/reply?kind=stored")

    assert (201, b'{"id" :  "7"}', "13") == (answer.status, answer.body, answer.headers["content-length"])


async def test_content_is_sent_as_it_is(client: AppClient) -> None:
    answer = await client.get("/content")

    assert (b"a,b\r\n", "text/csv; charset=utf-8", "5", "attachment") == (
        answer.body,
        answer.headers["content-type"],
        answer.headers["content-length"],
        answer.headers["content-disposition"],
    )


async def test_what_the_client_has_already_is_not_sent() -> None:
    async def unchanged() -> Reply[Order] | NotModified:
        return NotModified({"ETag": '"3"'})

    answer = await AppClient(Service("test", [Route("GET", "/unchanged", unchanged)]).app).get("/unchanged")

    assert (304, '"3"', b"") == (answer.status, answer.headers["etag"], answer.body)
    assert not {"content-type", "content-length"} & set(answer.headers)


async def test_a_stream_is_sent_piece_by_piece(client: AppClient) -> None:
    answer = await client.get("/stream")

    assert (200, b"one two") == (answer.status, answer.body)
    assert {"content-type": "text/plain", "cache-control": "no-store", "atoll-service": "test"} == answer.headers


async def test_head_of_a_stream_makes_none_of_it(client: AppClient) -> None:
    answer = await client.request("HEAD", "/stream")

    assert (200, b"", "text/plain") == (answer.status, answer.body, answer.headers["content-type"])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_whoever_made_a_stream_is_told_once_that_it_is_over(method: str) -> None:
    over: list[str] = []

    async def held() -> Stream:
        return Stream(lines(), over=lambda: over.append("over"))

    await AppClient(Service("test", [Route("GET", "/held", held)]).app).request(method, "/held")

    assert ["over"] == over


async def test_whoever_made_a_stream_that_breaks_is_told_as_well() -> None:
    over: list[str] = []

    async def held() -> Stream:
        return Stream(broken_lines(), over=lambda: over.append("over"))

    with pytest.raises(RuntimeError, match="broken"):
        await AppClient(Service("test", [Route("GET", "/held", held)]).app).get("/held")

    assert ["over"] == over


async def test_an_error_in_a_stream_is_let_out_so_that_the_server_breaks_it_off(client: AppClient) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        await client.get("/broken-stream")


@pytest.mark.parametrize("path", ["/bad-header", "/unwritable"])
async def test_an_answer_that_cannot_be_sent_is_an_error_of_ours(client: AppClient, path: str) -> None:
    answer = await client.get(path)

    assert (500, "Something went wrong on our side.") == (answer.status, answer.problem().detail)


async def test_a_stream_ends_and_is_closed_when_the_client_goes_away() -> None:
    closed = asyncio.Event()
    first_sent = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def forever() -> Stream:
        return Stream(endless())

    service = Service("test", [Route("GET", "/forever", forever)])
    sent: list[Any] = []

    async def receive() -> Any:
        if not first_sent.is_set():
            await first_sent.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("body"):
            first_sent.set()

    scope = {"type": "http", "method": "GET", "path": "/forever", "query_string": b"", "headers": []}
    await asyncio.wait_for(service.app(scope, receive, send), 5)

    assert closed.is_set()
    assert b"first" == sent[1]["body"]
