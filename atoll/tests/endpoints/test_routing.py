from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from atoll.endpoints import Content, Route
from atoll.service import Service
from atoll.testing.asgi import AppClient


async def listed() -> list[str]:
    return ["all"]


async def mine() -> list[str]:
    return ["mine"]


async def one(order_id: str) -> list[str]:
    return [order_id]


async def line(order_id: str, number: int) -> list[Any]:
    return [order_id, number]


async def by_uuid(user_id: UUID) -> list[str]:
    return [str(user_id)]


async def by_bounded(level: Annotated[int, msgspec.Meta(ge=1, le=3)]) -> list[int]:
    return [level]


async def word_then_name(item: str) -> list[str]:
    return ["first", item]


async def name_then_word(group: str) -> list[str]:
    return ["group", group]


async def nothing() -> None: ...


async def page() -> Content:
    return Content(b"<p>", "text/html")


SERVICE = Service(
    "test",
    [
        Route("GET", "/orders/{order_id}", one),
        Route("DELETE", "/orders/{order_id}", one),
        Route("GET", "/orders", listed),
        Route("POST", "/orders", nothing),
        Route("GET", "/orders/mine", mine),
        Route("GET", "/orders/{order_id}/lines/{number}", line),
        Route("GET", "/users/{user_id}", by_uuid),
        Route("GET", "/levels/{level}", by_bounded),
        Route("GET", "/{group}/last", name_then_word),
        Route("GET", "/first/{item}", word_then_name),
        Route("PUT", "/only-put", nothing),
        Route("GET", "/v1.0/a+b", listed),
        Route("GET", "/page", page),
        Route("GET", "/", listed),
    ],
)


@pytest.fixture
def client() -> AppClient:
    return AppClient(SERVICE.app)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/", ["all"]),
        ("/orders", ["all"]),
        ("/orders/mine", ["mine"]),
        ("/orders/7", ["7"]),
        ("/orders/caf%C3%A9", ["café"]),
        ("/orders/a%20b", ["a b"]),
        ("/orders/7/lines/3", ["7", 3]),
        ("/orders/7/lines/-3", ["7", -3]),
        ("/users/0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11", ["0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11"]),
        ("/levels/3", [3]),
        ("/first/x", ["first", "x"]),
        ("/x/last", ["group", "x"]),
        ("/first/last", ["first", "last"]),
        ("/v1.0/a+b", ["all"]),
    ],
)
async def test_a_path_leads_to_its_handler(client: AppClient, path: str, answer: object) -> None:
    found = await client.get(path)

    assert answer == found.json()


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/orders/",
        "/orders//",
        "/orders/7/",
        "/orders/7/lines",
        "/orders/7/lines/",
        "/orders/7/lines/x",
        "/orders/7/lines/3.0",
        "/orders/7/lines/1e2",
        "/orders/7/lines/03",
        "/orders/7/lines/%D9%A3",
        "/orders/7/lines/" + "9" * 5000,
        "/orders/a%2Fb",
        "/users/7",
        "/users/not-a-uuid",
        "/levels/0",
        "/levels/4",
        "/v1x0/a+b",
        "/ORDERS",
        "/%00",
        "/%FF",
        "//",
        "/orders/7%0A/lines/3%0A",
        "/orders/a%00b/lines/3",
    ],
)
async def test_what_is_not_there_is_a_404_with_the_path_in_its_body(client: AppClient, path: str) -> None:
    answer = await client.get(path)
    problem = answer.problem()

    assert (404, "/problems/not-found", "Not found") == (answer.status, problem.type, problem.title)
    assert f"There is nothing at {problem.instance}." == problem.detail == problem.error
    assert 32 == len(problem.trace_id)


async def test_a_word_with_a_line_end_is_not_another_word(client: AppClient) -> None:
    answer = await client.get("/orders%0A")

    assert 404 == answer.status


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/orders/7", "DELETE, GET, HEAD, OPTIONS"),
        ("PATCH", "/orders", "GET, HEAD, OPTIONS, POST"),
        ("GET", "/only-put", "OPTIONS, PUT"),
        ("HEAD", "/only-put", "OPTIONS, PUT"),
        ("BREW", "/orders", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("TRACE", "/", "GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_is_a_405_that_says_what_is_possible(
    client: AppClient, method: str, path: str, allow: str
) -> None:
    answer = await client.request(method, path)

    assert (405, allow) == (answer.status, answer.headers["allow"])
    if method != "HEAD":
        assert f"{method} is not possible at {path}; try {allow}." == answer.problem().detail


@pytest.mark.parametrize(("path", "allow"), [("/orders", "GET, HEAD, OPTIONS, POST"), ("/only-put", "OPTIONS, PUT")])
async def test_options_answers_204_with_what_is_possible(client: AppClient, path: str, allow: str) -> None:
    answer = await client.request("OPTIONS", path)

    assert (204, allow, b"") == (answer.status, answer.headers["allow"], answer.body)


async def test_options_for_nothing_is_a_404(client: AppClient) -> None:
    answer = await client.request("OPTIONS", "/nowhere")

    assert 404 == answer.status


@pytest.mark.parametrize("path", ["/orders", "/orders/7", "/health", "/page", "/nowhere", "/metrics", "/docs"])
async def test_head_has_the_headers_of_get_and_no_body(client: AppClient, path: str) -> None:
    get = await client.get(path)
    head = await client.request("HEAD", path)

    assert (get.status, b"") == (head.status, head.body)
    assert get.headers["content-type"] == head.headers["content-type"]
    assert "content-length" in head.headers


async def test_a_service_may_be_mounted_below_a_path() -> None:
    client = AppClient(Starlette(routes=[Mount("/shop", app=SERVICE.app)]))
    there = await client.get("/shop/orders/7")
    not_there = await client.get("/shop/nowhere")

    assert (["7"], 404) == (there.json(), not_there.status)


async def test_middleware_of_starlette_works_around_a_service() -> None:
    from starlette.middleware.cors import CORSMiddleware

    service = Service("test", [Route("GET", "/orders", listed)])
    service.app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
    answer = await AppClient(service.app).get("/orders", headers={"Origin": "https://shop.example"})

    assert "https://shop.example" == answer.headers["access-control-allow-origin"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1))
async def test_any_segment_reaches_the_handler_as_it_is(text: str) -> None:
    from urllib.parse import quote

    answer = await AppClient(SERVICE.app).get(f"/orders/{quote(text, safe='')}/lines/1")

    assert [text, 1] == answer.json()
