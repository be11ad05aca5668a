"""What the edge of a service tells its callers, and believes of them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from atoll import context
from atoll.endpoints import Route, Stream
from atoll.service import Service
from atoll.testing.asgi import AppClient
from atoll.testing.clock import ManualClock


class Order(Struct):
    id: str


async def placed(order: Order) -> str:
    return order.id


async def caller_retries() -> bool:
    request = context.current.get()
    return request is not None and request.caller_retries


async def failing() -> None:
    raise ZeroDivisionError


async def news() -> Stream:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"news"

    return Stream(chunks())


ROUTES = [
    Route("POST", "/orders", placed),
    Route("GET", "/retries", caller_retries),
    Route("GET", "/failing", failing),
    Route("GET", "/news", news),
]


@pytest.mark.parametrize("target", ["/retries", "/failing", "/news", "/nowhere", "/health"])
async def test_every_answer_names_its_service(target: str) -> None:
    answer = await AppClient(Service("orders", ROUTES).app).get(target)

    assert answer.headers["atoll-service"] == "orders"


async def test_the_answers_of_a_foreign_app_name_its_service_too() -> None:
    async def foreign(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]})
            await send({"type": "http.response.body", "body": b"hello"})

    answer = await AppClient(Service.hosting("legacy", foreign).app).get("/")

    assert (answer.headers, answer.body) == ({"x-a": "1", "atoll-service": "legacy"}, b"hello")


@pytest.mark.parametrize(("headers", "expected"), [({}, False), ({"Atoll-Caller-Retries": "yes"}, True)])
async def test_a_caller_that_retries_is_believed(headers: dict[str, str], expected: bool) -> None:
    answer = await AppClient(Service("orders", ROUTES).app).get("/retries", headers=headers)

    assert answer.json() is expected


async def test_no_work_begins_for_a_caller_whose_deadline_passed_while_the_body_came() -> None:
    clock = ManualClock()
    rest_may_come = asyncio.Event()
    service = Service("orders", ROUTES, clock=clock)
    parts = [b'{"id":', b'"7"}']
    answers: list[object] = []

    async def receive() -> dict[str, object]:
        if len(parts) == 1:
            await rest_may_come.wait()
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: object) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/orders",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"atoll-remaining-ms", b"500")],
    }
    serving = asyncio.create_task(service.app(scope, receive, send))
    await clock.advance(0.6)
    rest_may_come.set()
    await serving

    assert isinstance(answers[0], dict)
    assert answers[0]["status"] == 504
