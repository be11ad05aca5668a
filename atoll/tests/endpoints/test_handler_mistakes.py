"""Mistakes in a handler are told when the service is built, in a sentence that says what to write instead."""

from functools import partial
from typing import Annotated, Any

import pytest

from atoll.endpoints import HandlerMistake, HasRole, Header, Query, Request, Route
from atoll.identity.principal import Principal
from atoll.service import Service
from atoll.wire import StrictModel


class Body(StrictModel):
    name: str


class Page(StrictModel):
    limit: int = 50


class Nested(StrictModel):
    page: Page


async def fine(body: Body) -> None: ...
async def two_bodies(body: Body, other: Body) -> None: ...
async def no_annotation(body) -> None: ...  # type: ignore[no-untyped-def]
async def no_return(body: Body): ...  # type: ignore[no-untyped-def]
async def with_id(order_id: str) -> None: ...
async def without_id() -> None: ...
async def optional_id(order_id: str | None) -> None: ...
async def struct_as_id(order_id: Body) -> None: ...
async def many(*bodies: Body) -> None: ...
async def anything(**parameters: str) -> None: ...
async def positional(body: Body, /) -> None: ...
async def two_callers(one: Principal, other: Principal) -> None: ...
async def two_requests(one: Request, other: Request) -> None: ...
async def two_queries(one: Annotated[Page, Query()], other: Annotated[Page, Query()]) -> None: ...
async def query_and_loose(page: Annotated[Page, Query()], limit: int) -> None: ...
async def query_of_no_struct(page: Annotated[dict[str, str], Query()]) -> None: ...
async def nested_query(page: Annotated[Nested, Query()]) -> None: ...
async def mapping(values: dict[str, str]) -> None: ...
async def whatever(value: Any) -> None: ...
async def struct_header(key: Annotated[Body, Header("X-Key")]) -> None: ...
async def optional_admin(caller: Annotated[Principal | None, HasRole("admin")]) -> None: ...
async def odd_requirement(caller: Annotated[Principal, "admin"]) -> None: ...
async def ambiguous(body: Body | Page) -> None: ...
async def unresolved(body: "Missing") -> None: ...  # type: ignore[name-defined] # noqa: F821
def not_async(body: Body) -> None: ...


@pytest.mark.parametrize(
    ("route", "sentence"),
    [
        (Route("GET", "/x", fine), "body wants a body, which GET requests do not have."),
        (Route("DELETE", "/x", fine), "body wants a body, which DELETE requests do not have."),
        (Route("POST", "/x", two_bodies), "body and other both want the body; there is only one."),
        (Route("POST", "/x", no_annotation), "the parameter body has no annotation to say what it is given."),
        (Route("POST", "/x", no_return), "the handler has no return annotation to say what it answers with."),
        (Route("GET", "/x/{order_id}", without_id), "the path names order_id, but the handler has no such parameter."),
        (Route("GET", "/x/{order_id}", optional_id), "the path's order_id must be a scalar such as str, int or UUID."),
        (Route("GET", "/x/{order_id}", struct_as_id), "the path's order_id must be a scalar such as str, int or UUID."),
        (Route("POST", "/x", many), "parameters are given by name, which *bodies"),
        (Route("POST", "/x", anything), "parameters are given by name, which **parameters"),
        (Route("POST", "/x", positional), "parameters are given by name, which body"),
        (Route("GET", "/x", two_callers), "one and other both want the caller; there is only one."),
        (Route("GET", "/x", two_requests), "one and other both want the request; there is only one."),
        (Route("GET", "/x", two_queries), "one and other both want the query; there is only one."),
        (Route("GET", "/x", query_and_loose), "limit is a query parameter beside page, which takes them all."),
        (Route("GET", "/x", query_of_no_struct), "page: Query() needs a struct whose fields are the parameters."),
        (Route("GET", "/x", nested_query), "page: the field page of Query() must be a scalar, or a list of scalars."),
        (
            Route("POST", "/x", mapping),
            "values: dict[str, str] is neither a scalar (for the query), nor made of Structs",
        ),
        (Route("POST", "/x", whatever), "value: Any is neither a scalar"),
        (Route("GET", "/x", struct_header), "the header X-Key must be a scalar such as str or int."),
        (Route("GET", "/x", optional_admin), "caller cannot be optional and have requirements."),
        (Route("GET", "/x", odd_requirement), "caller has a requirement without check(); write HasRole(…)"),
        (Route("POST", "/x", ambiguous), "cannot be read from JSON"),
        (Route("POST", "/x", unresolved), "an annotation cannot be resolved: name 'Missing' is not defined."),
        (
            Route("POST", "/x", not_async),  # type: ignore[arg-type] # what is tested
            "the handler must be an async function.",
        ),
        (Route("FETCH", "/x", without_id), "the method must be one of DELETE, GET, PATCH, POST, PUT."),
        (Route("get", "/x", without_id), "the method must be one of DELETE, GET, PATCH, POST, PUT."),
        (Route("GET", "x", without_id), "the path must be like /orders/{order_id}"),
        (Route("GET", "", without_id), "the path must be like /orders/{order_id}"),
        (Route("GET", "/x/", without_id), "the path must be like /orders/{order_id}"),
        (Route("GET", "/x//y", without_id), "the path must be like /orders/{order_id}"),
        (Route("GET", "/x/{order_id", with_id), "the path must be like /orders/{order_id}"),
        (Route("GET", "/x/{order_id:int}", with_id), "the path must be like /orders/{order_id}"),
        (Route("GET", "/x/a{order_id}", with_id), "the path must be like /orders/{order_id}"),
        (Route("GET", "/x y", without_id), "the path must be like /orders/{order_id}"),
        (Route("GET", "/{order_id}/{order_id}", with_id), "the path has the same name twice."),
    ],
    ids=lambda value: value.handler.__name__ if isinstance(value, Route) else "",
)
def test_a_mistake_in_a_route_is_told_when_the_service_is_built(route: Route, sentence: str) -> None:
    with pytest.raises(HandlerMistake) as caught:
        Service("test", [route])

    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{route.method} {route.path} ({route.handler.__qualname__}): ")


def test_two_handlers_for_the_same_thing_are_a_mistake() -> None:
    with pytest.raises(HandlerMistake, match=r"GET /x is there twice\."):
        Service("test", [Route("GET", "/x", without_id), Route("GET", "/x", without_id)])


def test_one_path_under_two_names_is_a_mistake() -> None:
    async def other(id: str) -> None: ...

    with pytest.raises(HandlerMistake, match="are the same path; give their names the same name"):
        Service("test", [Route("GET", "/x/{order_id}", with_id), Route("PUT", "/x/{id}", other)])


def test_a_method_or_a_partial_of_a_function_can_be_a_handler() -> None:
    class Handlers:
        async def handle(self, order_id: str) -> None: ...

    async def two(order_id: str, extra: int) -> None: ...

    service = Service(
        "test",
        [Route("GET", "/a/{order_id}", Handlers().handle), Route("GET", "/b/{order_id}", partial(two, extra=1))],
    )

    assert "2 routes" in repr(service)
