import asyncio
from typing import Annotated, Any

import msgspec
import pytest

from atoll.endpoints import Request, Route
from atoll.service import Service
from atoll.testing.asgi import AppClient
from atoll.wire import Model, StrictModel


class NewProduct(StrictModel):
    name: str
    price: float
    stock: int = 0


class Created(Model):
    names: list[str]


class Credit(StrictModel, tag="credit"):
    card: str


class Invoice(StrictModel, tag="invoice"):
    address: str


async def create(body: NewProduct) -> Created:
    return Created(names=[body.name])


async def create_some(body: NewProduct | Annotated[list[NewProduct], msgspec.Meta(max_length=2)]) -> Created:
    products = body if isinstance(body, list) else [body]
    return Created(names=[product.name for product in products])


async def pay(means: Credit | Invoice) -> Created:
    return Created(names=[type(means).__name__])


async def maybe(body: NewProduct | None = None) -> Created:
    return Created(names=[body.name if body else "nothing"])


async def stream_in(request: Request) -> Created:
    return Created(names=[str(len(chunk)) async for chunk in request.stream()])


async def raw(request: Request) -> Created:
    once, again = await request.body(), await request.body()
    assert once is again
    return Created(names=[once.decode(), request.method, request.path, request.header("X-Color") or "none"])


@pytest.fixture
def client() -> AppClient:
    routes = [
        Route("POST", "/products", create, status=201),
        Route("POST", "/small", create, status=201, body_limit=64),
        Route("POST", "/some", create_some, status=201),
        Route("POST", "/pay", pay),
        Route("POST", "/maybe", maybe),
        Route("POST", "/stream", stream_in, body_limit=20),
        Route("POST", "/raw", raw, body_limit=20),
    ]
    return AppClient(Service("test", routes).app)


JSON = {"Content-Type": "application/json"}
LAMP = b'{"name":"lamp","price":3.5}'


async def test_a_body_is_read_as_its_struct(client: AppClient) -> None:
    answer = await client.post("/products", {"name": "lamp", "price": 3.5, "stock": 2})

    assert (201, {"names": ["lamp"]}) == (answer.status, answer.json())


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "APPLICATION/JSON",
        "application/merge-patch+json",
        "application/vnd.shop.v1+json; charset=utf-8",
    ],
)
async def test_json_is_known_by_any_of_its_names(client: AppClient, media_type: str) -> None:
    answer = await client.post("/products", content=LAMP, headers={"Content-Type": media_type})

    assert 201 == answer.status, answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "text/json"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "json"},
        {"Content-Type": ""},
        {**JSON, "Content-Encoding": "gzip"},
        {},
    ],
)
async def test_another_content_type_is_415(client: AppClient, headers: dict[str, str]) -> None:
    answer = await client.post("/products", content=LAMP, headers=headers)

    assert 415 == answer.status, answer
    assert answer.problem().detail


async def test_a_compressed_body_is_told_what_to_do(client: AppClient) -> None:
    answer = await client.post("/products", content=LAMP, headers={**JSON, "Content-Encoding": "gzip"})

    assert "identity" == answer.headers["accept-encoding"]


@pytest.mark.parametrize("headers", [JSON, {}])
async def test_an_empty_body_is_400(client: AppClient, headers: dict[str, str]) -> None:
    answer = await client.post("/products", content=b"", headers=headers)

    assert (400, "The body is empty; JSON is needed.") == (answer.status, answer.problem().detail)


@pytest.mark.parametrize(
    "body", [b"NaN", b"{", b'{"name":"\xff"}', rb'{"name":"\ud800","price":1}', b"[" * 100_000, b'{"price":NaN}', b"\0"]
)
async def test_a_body_that_is_not_json_is_400(client: AppClient, body: bytes) -> None:
    answer = await client.post("/products", content=body, headers=JSON)

    assert 400 == answer.status, answer
    assert answer.problem().detail.startswith("The body is not JSON: ")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": 5, "price": 1}, "/name"),
        ({"name": "a"}, "/price"),
        ({"name": "a", "price": 1, "color": "red"}, "/color"),
        ([], ""),
        (None, ""),
        ("text", ""),
    ],
)
async def test_json_of_another_shape_is_422_with_a_pointer(client: AppClient, body: Any, pointer: str) -> None:
    answer = await client.post("/products", body)

    assert 422 == answer.status, answer
    assert [pointer] == [mistake.pointer for mistake in answer.problem().errors]


async def test_a_number_out_of_all_range_is_422(client: AppClient) -> None:
    answer = await client.post("/products", content=b'{"name":"a","price":1e400}', headers=JSON)

    assert 422 == answer.status
    assert ["/price"] == [mistake.pointer for mistake in answer.problem().errors]


async def test_a_text_with_the_null_character_is_422(client: AppClient) -> None:
    answer = await client.post("/products", content=rb'{"name":"la\u0000mp","price":3.5}', headers=JSON)

    assert 422 == answer.status
    assert "A text has the character U+0000, which no text may have." == answer.problem().detail


async def test_a_text_about_the_null_character_is_a_text(client: AppClient) -> None:
    answer = await client.post("/products", content=rb'{"name":"la\\u0000mp","price":3.5}', headers=JSON)

    assert [r"la\u0000mp"] == answer.json()["names"]


async def test_a_union_of_one_and_many_takes_both(client: AppClient) -> None:
    one = await client.post("/some", {"name": "a", "price": 1})
    two = await client.post("/some", [{"name": "a", "price": 1}, {"name": "b", "price": 1}])
    wrong = await client.post("/some", [{"name": "a", "price": 1}, {"name": "b"}])

    assert (["a"], ["a", "b"]) == (one.json()["names"], two.json()["names"])
    assert ["/1/price"] == [mistake.pointer for mistake in wrong.problem().errors]


async def test_a_tagged_union_takes_what_the_tag_says(client: AppClient) -> None:
    credit = await client.post("/pay", {"type": "credit", "card": "4711"})
    neither = await client.post("/pay", {"type": "cash"})

    assert ["Credit"] == credit.json()["names"]
    assert ["/type"] == [mistake.pointer for mistake in neither.problem().errors]


async def test_an_optional_body_may_be_absent(client: AppClient) -> None:
    absent = await client.post("/maybe")
    null = await client.post("/maybe", None)
    given = await client.post("/maybe", {"name": "a", "price": 1})

    assert [["nothing"], ["nothing"], ["a"]] == [answer.json()["names"] for answer in (absent, null, given)]


async def test_a_body_may_come_in_many_pieces(client: AppClient) -> None:
    pieces = [LAMP[i : i + 3] for i in range(0, len(LAMP), 3)]
    answer = await client.post("/products", content=pieces, headers=JSON)

    assert 201 == answer.status


@pytest.mark.parametrize("pieces", [[b" " * 65], [b" " * 40, b" " * 25], [b" " * 64, b" "], [b"x" * 10_000] * 50])
async def test_a_body_over_the_limit_is_413(client: AppClient, pieces: list[bytes]) -> None:
    answer = await client.post("/small", content=pieces, headers=JSON)

    assert (413, "The body is larger than 64 bytes.") == (answer.status, answer.problem().detail)
    assert "close" == answer.headers["connection"]


@pytest.mark.parametrize("length", ["65", "999999999999999999", "9" * 5000])
async def test_a_body_announced_over_the_limit_is_not_read_at_all(client: AppClient, length: str) -> None:
    answer = await client.post("/small", content=LAMP, headers={**JSON, "Content-Length": length})

    assert 413 == answer.status


async def test_a_body_of_just_the_limit_is_fine(client: AppClient) -> None:
    answer = await client.post("/small", content=LAMP + b" " * (64 - len(LAMP)), headers=JSON)

    assert 201 == answer.status


async def test_a_request_can_be_read_as_a_stream(client: AppClient) -> None:
    answer = await client.post("/stream", content=[b"abc", b"", b"defg", b"h"])

    assert ["3", "4", "1"] == answer.json()["names"]


@pytest.mark.parametrize("path", ["/stream", "/raw"])
async def test_the_raw_body_is_bounded_as_well(client: AppClient, path: str) -> None:
    answer = await client.post(path, content=[b"abc"] * 7)

    assert 413 == answer.status


async def test_a_request_tells_everything_of_itself(client: AppClient) -> None:
    answer = await client.post("/raw", content=[b"ab", b"cd"], headers={"x-cOLOR": "red"})

    assert ["abcd", "POST", "/raw", "red"] == answer.json()["names"]


async def test_a_client_that_goes_away_while_sending_is_not_answered() -> None:
    service = Service("test", [Route("POST", "/products", create)])
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    messages.put_nowait({"type": "http.disconnect"})
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/products",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await service.app(scope, messages.get, send)
    metrics = (await AppClient(service.app).get("/metrics")).body.decode()

    assert [] == sent
    assert 'http_response_status_code="499",http_route="/products"} 1.0' in metrics
