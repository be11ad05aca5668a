from typing import Any

import pytest

from atoll.endpoints import Request, Route
from atoll.problems import Conflict
from atoll.service import Service
from atoll.testing.asgi import AppClient
from atoll.wire import Model


class Echo(Model):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str


async def echo(request: Request) -> Echo:
    return Echo(
        method=request.method,
        path=request.path,
        query=request.query_string.decode(),
        headers=request.headers,
        body=(await request.body()).decode(),
    )


async def refuse() -> None:
    raise Conflict("No.")


ROUTES = [Route(method, "/echo", echo) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")]
SERVICE = Service("test", [*ROUTES, Route("GET", "/refuse", refuse)])


@pytest.fixture
def client() -> AppClient:
    return AppClient(SERVICE.app, headers={"X-Always": "yes"})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_every_method_has_a_call_of_its_name(client: AppClient, method: str) -> None:
    call: Any = getattr(client, method.lower())
    answer = await call("/echo")

    assert method == answer.into(Echo).method


async def test_json_is_sent_with_its_type_and_length(client: AppClient) -> None:
    echoed = (await client.post("/echo", {"a": [1]})).into(Echo)

    assert '{"a":[1]}' == echoed.body
    assert ("application/json", "9") == (echoed.headers["content-type"], echoed.headers["content-length"])


async def test_headers_are_those_of_the_client_and_those_of_the_call(client: AppClient) -> None:
    echoed = (await client.get("/echo", headers={"X-Once": "1"})).into(Echo)

    assert {"x-always": "yes", "x-once": "1"} == echoed.headers


async def test_a_query_may_be_in_the_target_and_given_apart(client: AppClient) -> None:
    echoed = (await client.get("/echo?a=1", query={"b": ["x y", 2]})).into(Echo)

    assert "a=1&b=x+y&b=2" == echoed.query


async def test_a_body_may_be_sent_in_pieces(client: AppClient) -> None:
    echoed = (await client.post("/echo", content=[b"a", b"", b"bc"])).into(Echo)

    assert "abc" == echoed.body
    assert "content-length" not in echoed.headers


async def test_an_error_is_read_as_a_problem(client: AppClient) -> None:
    answer = await client.get("/refuse")

    assert (409, "No.") == (answer.problem().status, answer.problem().detail)


async def test_an_answer_that_is_no_problem_cannot_be_read_as_one(client: AppClient) -> None:
    answer = await client.get("/echo")

    with pytest.raises(AssertionError, match="AppResponse 200"):
        answer.problem()


async def _silent(scope: Any, receive: Any, send: Any) -> None: ...


async def _unfinished(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def _body_first(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.body", "body": b""})


async def _twice(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        (_silent, "the app gave no answer"),
        (_unfinished, "the app did not finish its answer"),
        (_body_first, "a body came before the answer was begun"),
        (_twice, "the answer was begun twice"),
    ],
)
async def test_an_app_that_breaks_the_protocol_is_told(app: Any, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        await AppClient(app).get("/")


async def test_the_lifespan_runs_within_the_block() -> None:
    events: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for half in ("startup", "shutdown"):
            events.append((await receive())["type"])
            await send({"type": f"lifespan.{half}.complete"})

    async with AppClient(app):
        events.append("within")

    assert ["lifespan.startup", "within", "lifespan.shutdown"] == events
