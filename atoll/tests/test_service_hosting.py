"""Any ASGI app can be a service of the system; here a real one of FastAPI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from structlog.testing import capture_logs

from atoll import context
from atoll.endpoints import Route
from atoll.endpoints.hosted import starlette_problem
from atoll.problems import Conflict, Problem
from atoll.service import Service
from atoll.testing.asgi import AppClient

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Item(BaseModel):
    name: str


def fastapi_app(diary: list[str]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        diary.append("app starts")
        yield {"greeting": "hello"}
        diary.append("app stops")

    app = FastAPI(title="Legacy", lifespan=lifespan)
    app.add_exception_handler(Problem, starlette_problem)

    @app.get("/items/{item_id}")
    async def item(item_id: int, request: Request) -> dict[str, Any]:
        match item_id:
            case 404:
                raise HTTPException(404, "no such item")
            case 409:
                raise Conflict("It is sold.")
            case 500:
                raise RuntimeError("secret")
        return {"id": item_id, "greeting": request.state.greeting}

    @app.post("/items", status_code=201)
    async def add(item: Item) -> Item:
        return item

    @app.get("/trace")
    async def trace() -> dict[str, str]:
        current = context.current.get()
        assert current is not None
        return {"trace": current.trace.trace_id}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one "
            yield b"two"

        return StreamingResponse(pieces(), media_type="text/plain")

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    return app


@pytest.fixture
def diary() -> list[str]:
    return []


@pytest.fixture
async def client(diary: list[str]) -> AsyncIterator[AppClient]:
    service = Service.hosting("legacy", fastapi_app(diary), version="1", readiness={"database": _nothing})
    async with AppClient(service.app) as client:
        yield client


async def _nothing() -> None: ...


async def test_the_lifespan_of_a_hosted_app_runs_with_the_service(diary: list[str]) -> None:
    service = Service.hosting("legacy", fastapi_app(diary))
    async with service.running():
        diary.append("serving")

    assert ["app starts", "serving", "app stops"] == diary


async def test_a_hosted_app_answers_its_own_paths_with_the_state_of_its_lifespan(client: AppClient) -> None:
    got = await client.get("/items/7")
    added = await client.post("/items", {"name": "lamp"})

    assert {"id": 7, "greeting": "hello"} == got.json()
    assert (201, {"name": "lamp"}) == (added.status, added.json())


async def test_health_readiness_and_metrics_are_those_of_every_service(client: AppClient) -> None:
    await client.get("/items/7")
    health, ready, metrics = [await client.get(path) for path in ("/health", "/ready", "/metrics")]

    assert "legacy" == health.json()["service"]
    assert ["database"] == list(ready.json()["checks"])
    assert 'http_response_status_code="200",http_route="/items/{item_id}"} 1.0' in metrics.body.decode()


async def test_the_document_and_its_page_are_the_apps_own(client: AppClient) -> None:
    document = await client.get("/openapi.json")
    page = await client.get("/docs")

    assert "Legacy" == document.json()["info"]["title"]
    assert b"swagger" in page.body


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/items/404", 404, {"detail": "no such item"}), ("/nowhere", 404, {"detail": "Not Found"})],
)
async def test_the_errors_that_a_hosted_app_answers_are_untouched(
    client: AppClient, path: str, status: int, body: object
) -> None:
    answer = await client.get(path)

    assert (status, body) == (answer.status, answer.json())


async def test_an_uncaught_error_is_logged_whole_and_answered_by_the_framework(client: AppClient) -> None:
    with capture_logs() as logs:
        answer = await client.get("/items/500")

    assert (500, b"Internal Server Error") == (answer.status, answer.body)
    assert [("request failed", "/items/{item_id}", True)] == [
        (line["event"], line["route"], line["exc_info"]) for line in logs
    ]


async def test_with_our_handler_a_hosted_app_tells_problems_as_every_service_does(client: AppClient) -> None:
    answer = await client.get("/items/409", headers={"traceparent": TRACEPARENT})

    assert (409, "It is sold.") == (answer.status, answer.problem().detail)
    assert "0af7651916cd43dd8448eb211c80319c" == answer.problem().trace_id


async def test_requests_of_a_hosted_app_have_a_context(client: AppClient) -> None:
    answer = await client.get("/trace", headers={"traceparent": TRACEPARENT})

    assert {"trace": "0af7651916cd43dd8448eb211c80319c"} == answer.json()


async def test_a_stream_of_a_hosted_app_passes_through(client: AppClient) -> None:
    answer = await client.get("/stream")

    assert b"one two" == answer.body


async def test_a_websocket_of_a_hosted_app_passes_through(diary: list[str]) -> None:
    service = Service.hosting("legacy", fastapi_app(diary))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/socket", "query_string": b"", "headers": [], "subprotocols": []}
    await service.app(scope, receive, send)

    assert ["websocket.accept", "websocket.send", "websocket.close"] == sent


async def test_a_service_of_ours_closes_websockets() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/socket", "query_string": b"", "headers": [], "subprotocols": []}
    await Service("test").app(scope, receive, send)

    assert ["websocket.close"] == sent


async def test_an_error_before_any_answer_is_told_as_a_problem() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        raise Conflict("No.") if scope["path"] == "/conflict" else RuntimeError("secret")

    client = AppClient(Service.hosting("bare", bare).app)
    conflict = await client.get("/conflict")
    failed = await client.get("/other")

    assert (409, 500) == (conflict.problem().status, failed.problem().status)


async def test_an_error_within_an_answer_breaks_it_off() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half way")

    client = AppClient(Service.hosting("bare", bare).app)

    with pytest.raises(RuntimeError, match="half way"):
        await client.get("/x")


async def test_an_app_without_a_lifespan_can_be_hosted() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan here"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"bare"})

    async with AppClient(Service.hosting("bare", bare).app) as client:
        answer = await client.get("/x")

    assert b"bare" == answer.body


async def test_an_app_that_cannot_start_says_why() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    service = Service.hosting("legacy", FastAPI(lifespan=lifespan))

    with pytest.raises(Exception, match=r"hosted FastAPI failed to start: .*no database"):
        async with service.running():
            pass


async def test_an_app_that_cannot_stop_says_why() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        raise OSError("disk is full")

    service = Service.hosting("legacy", FastAPI(lifespan=lifespan))

    with pytest.raises(Exception, match=r"hosted FastAPI failed to stop: .*disk is full"):
        async with service.running():
            pass


async def test_routes_of_ours_may_stand_before_a_hosted_app(diary: list[str]) -> None:
    async def modern() -> list[str]:
        return ["modern"]

    service = Service("mixed", [Route("GET", "/items/new", modern)], hosted=fastapi_app(diary))
    async with AppClient(service.app) as client:
        ours, theirs = await client.get("/items/new"), await client.get("/items/7")

    assert (["modern"], 7) == (ours.json(), theirs.json()["id"])
