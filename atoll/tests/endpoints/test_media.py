"""Bodies that are not JSON, read by the handler itself."""

from collections.abc import Mapping
from typing import Annotated

import pytest

from atoll.endpoints import HandlerMistake, Media, Request, Route
from atoll.service import Service
from atoll.testing.asgi import AppClient
from atoll.wire import Model

Table = Annotated[Request, Media(("text/csv", "application/csv"), charsets=("utf-8", "utf-16"))]


class Counted(Model):
    lines: int


async def count(table: Table) -> Counted:
    return Counted(lines=(await table.body()).count(b"\n"))


async def nothing(table: Table) -> None: ...


def service() -> Service:
    return Service("tables", [Route("POST", "/lines", count)])


@pytest.fixture
def client() -> AppClient:
    return AppClient(service().app)


@pytest.mark.parametrize(
    "content_type",
    ["text/csv", "application/csv", "Text/CSV; charset=UTF-8", 'text/csv; header=present; charset="utf-16"'],
)
async def test_a_body_of_the_media_type_reaches_the_handler(client: AppClient, content_type: str) -> None:
    answer = await client.post("/lines", content=b"a\nb\n", headers={"Content-Type": content_type})

    assert answer.status == 200
    assert answer.into(Counted) == Counted(lines=2)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "A body without a Content-Type is not taken; send text/csv or application/csv."),
        ({"Content-Type": "application/json"}, "application/json is not taken; send text/csv or application/csv."),
        ({"Content-Type": "text/csv-x"}, "text/csv-x is not taken; send text/csv or application/csv."),
        (
            {"Content-Type": "text/csv; charset=latin-1"},
            "The charset latin-1 is not taken; send text/csv or application/csv in utf-8 or utf-16.",
        ),
        ({"Content-Type": "text/csv", "Content-Encoding": "gzip"}, "The body must not be compressed."),
    ],
)
async def test_another_body_is_refused_with_what_to_send(
    client: AppClient, headers: Mapping[str, str], words: str
) -> None:
    answer = await client.post("/lines", content=b"a\n", headers=headers)

    assert answer.status == 415
    assert words == answer.problem().detail


async def test_a_query_parameter_is_a_mistake(client: AppClient) -> None:
    answer = await client.post("/lines?dry=1", content=b"", headers={"Content-Type": "text/csv"})

    assert answer.status == 422


def test_the_document_names_the_media_types_and_the_refusals() -> None:
    operation = service().openapi()["paths"]["/lines"]["post"]

    assert operation["requestBody"] == {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}}, "application/csv": {"schema": {"type": "string"}}},
    }
    assert {"200", "413", "415", "422", "default"} == set(operation["responses"])


def test_a_method_without_a_body_is_a_mistake() -> None:
    with pytest.raises(HandlerMistake, match="table wants a body, which GET requests do not have"):
        Service("tables", [Route("GET", "/lines", nothing)])
