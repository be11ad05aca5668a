import enum
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import quote
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.endpoints import Header, Query, Request, Route
from atoll.endpoints.texts import QueryString
from atoll.problems import InvalidFields
from atoll.service import Service
from atoll.testing.asgi import AppClient
from atoll.wire import Model, StrictModel


class Cents:
    """An amount with at most two decimals, as the tests need it."""

    wire_schema: ClassVar[dict[str, Any]] = {"type": "number"}

    def __init__(self, cents: int) -> None:
        self.cents = cents

    @classmethod
    def from_wire(cls, value: object) -> Self:
        if not isinstance(value, int | Decimal) or value * 100 != int(value * 100):
            raise ValueError("Expected an amount with at most two decimals")
        return cls(int(value * 100))

    def to_wire(self) -> object:
        return Decimal(self.cents).scaleb(-2)


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Filter(StrictModel):
    category: str | None = None
    min_price: Cents | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    weight: float | None = None
    in_stock: bool = False
    size: Size | None = None
    level: Literal[1, 2] = 1
    sort: Literal["name", "price"] = "name"
    since: datetime | None = None
    owner: UUID | None = None
    exact: Decimal | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    sizes: list[int] = msgspec.field(default_factory=list)


class Seen(Model):
    values: dict[str, Any]


async def by_struct(wanted: Annotated[Filter, Query()]) -> Seen:
    return Seen(values=msgspec.structs.asdict(wanted))


async def loosely(text: str, min_count: int = 3, flag: bool | None = None, size: Size = Size.SMALL) -> Seen:
    return Seen(values={"text": text, "min_count": min_count, "flag": flag, "size": size})


async def by_header(
    key: Annotated[str | None, Header("Idempotency-Key")],
    version: Annotated[int, Header("If-Version")] = 7,
    needed: Annotated[str, Header("X-Needed")] = "",
) -> Seen:
    return Seen(values={"key": key, "version": version, "needed": needed})


async def needs_header(key: Annotated[UUID, Header("X-Key")]) -> Seen:
    return Seen(values={"key": key})


async def takes_nothing() -> None:
    return None


async def takes_request(request: Request) -> Seen:
    return Seen(values={"query": request.query_string.decode()})


@pytest.fixture
def client() -> AppClient:
    routes = [
        Route("GET", "/struct", by_struct),
        Route("GET", "/loose", loosely),
        Route("GET", "/header", by_header),
        Route("GET", "/needs-header", needs_header),
        Route("GET", "/nothing", takes_nothing),
        Route("GET", "/request", takes_request),
    ]
    return AppClient(Service("test", routes).app)


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("category=garden", "category", "garden"),
        ("category=", "category", ""),
        ("category=null", "category", "null"),
        ("category=5", "category", "5"),
        ("category=caf%C3%A9+au%20lait", "category", "café au lait"),
        ("minPrice=12.5", "min_price", 12.5),
        ("minPrice=12", "min_price", 12),
        ("minPrice=1e2", "min_price", 100),
        ("limit=200", "limit", 200),
        ("weight=1.5", "weight", 1.5),
        ("weight=2", "weight", 2.0),
        ("weight=-1e3", "weight", -1000.0),
        ("weight=-6.005e152", "weight", -6.005e152),
        ("inStock=true", "in_stock", True),
        ("inStock=false", "in_stock", False),
        ("size=large", "size", "large"),
        ("level=2", "level", 2),
        ("sort=price", "sort", "price"),
        ("since=2026-01-31T12:00:00Z", "since", "2026-01-31T12:00:00Z"),
        ("owner=0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11", "owner", "0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11"),
        ("exact=0.1", "exact", 0.1),
        ("tags=a&tags=b", "tags", ["a", "b"]),
        ("tags=a", "tags", ["a"]),
        ("sizes=1&sizes=2", "sizes", [1, 2]),
        ("", "limit", 50),
    ],
)
async def test_a_query_is_read_as_the_types_of_its_struct(
    client: AppClient, query: str, field: str, value: object
) -> None:
    answer = await client.get(f"/struct?{query}")

    assert 200 == answer.status, answer
    assert value == answer.json()["values"][field]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=", "limit"),
        ("limit=abc", "limit"),
        ("limit=null", "limit"),
        ("limit=+5", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=1_0", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1e2", "limit"),
        ("limit=05", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=5&limit=6", "limit"),
        ("weight=nan", "weight"),
        ("weight=inf", "weight"),
        ("weight=1e400", "weight"),
        ("weight=", "weight"),
        ("weight=0x1", "weight"),
        ("minPrice=1.005", "minPrice"),
        ("minPrice=1e400", "minPrice"),
        ("minPrice=1e999999999", "minPrice"),
        ("minPrice=null", "minPrice"),
        ("minPrice=cheap", "minPrice"),
        ("minPrice=NaN", "minPrice"),
        ("exact=nan", "exact"),
        ("exact=1e99999", "exact"),
        ("inStock=yes", "inStock"),
        ("inStock=1", "inStock"),
        ("inStock=", "inStock"),
        ("size=medium", "size"),
        ("level=3", "level"),
        ("sort=weight", "sort"),
        ("since=yesterday", "since"),
        ("since=12", "since"),
        ("owner=abc", "owner"),
        ("sizes=1&sizes=x", "sizes"),
        ("min_price=1", "min_price"),
        ("colour=red", "colour"),
        ("=x", ""),
    ],
)
async def test_a_wrong_query_is_a_field_mistake_with_the_name_of_the_parameter(
    client: AppClient, query: str, name: str
) -> None:
    answer = await client.get(f"/struct?{query}")

    assert 422 == answer.status, answer
    assert [name] == [mistake.pointer for mistake in answer.problem().errors]
    assert name in answer.problem().detail


async def test_a_query_with_the_null_character_is_refused(client: AppClient) -> None:
    answer = await client.get("/struct?category=a%00b")

    assert 422 == answer.status
    assert "The query has the character U+0000, which no text may have." == answer.problem().detail


async def test_a_query_that_is_no_utf_8_is_refused(client: AppClient) -> None:
    answer = await client.get("/struct?category=%FF")

    assert 422 == answer.status
    assert "The query is not percent-encoded UTF-8." == answer.problem().detail


async def test_a_query_of_very_many_parameters_is_refused(client: AppClient) -> None:
    answer = await client.get("/struct?" + "&".join(f"tags={i}" for i in range(101)))

    assert 422 == answer.status
    assert "The query has more than 100 parameters." == answer.problem().detail


async def test_loose_scalars_are_query_parameters_in_camel_case(client: AppClient) -> None:
    answer = await client.get("/loose?text=5&minCount=4&flag=true&size=large")

    assert {"text": "5", "min_count": 4, "flag": True, "size": "large"} == answer.json()["values"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("sort=colour", "The query parameter sort is one of name, price."),
        ("size=huge", "The query parameter size is one of small, large."),
        ("level=3", "The query parameter level is one of 1, 2."),
        ("colour=red", "There is no query parameter colour here; there are category, minPrice, "),
    ],
)
async def test_what_there_is_to_choose_from_is_told(client: AppClient, query: str, sentence: str) -> None:
    answer = await client.get(f"/struct?{query}")

    assert 422 == answer.status
    assert answer.problem().detail.startswith(sentence)


async def test_loose_scalars_have_the_defaults_of_the_handler(client: AppClient) -> None:
    answer = await client.get("/loose?text=a")

    assert {"text": "a", "min_count": 3, "flag": None, "size": "small"} == answer.json()["values"]


@pytest.mark.parametrize(
    ("query", "name"), [("", "text"), ("text=a&minCount=x", "minCount"), ("text=a&min_count=1", "min_count")]
)
async def test_loose_scalars_are_checked_as_well(client: AppClient, query: str, name: str) -> None:
    answer = await client.get(f"/loose?{query}")

    assert [name] == [mistake.pointer for mistake in answer.problem().errors]


async def test_a_query_where_none_is_taken_is_a_mistake(client: AppClient) -> None:
    answer = await client.get("/nothing?limit=5")

    assert 422 == answer.status
    assert "There is no query parameter limit here." == answer.problem().detail


async def test_a_handler_that_takes_the_request_may_read_any_query(client: AppClient) -> None:
    answer = await client.get("/request?x=1&x=2")

    assert {"query": "x=1&x=2"} == answer.json()["values"]


async def test_headers_are_read_by_their_names(client: AppClient) -> None:
    answer = await client.get("/header", headers={"idempotency-key": "k", "IF-VERSION": "8", "X-Needed": "n"})

    assert {"key": "k", "version": 8, "needed": "n"} == answer.json()["values"]


def test_the_lines_of_one_header_are_one_list() -> None:
    async def nothing() -> dict[str, Any]:
        return {}

    sent = [(b"if-match", b'"1"'), (b"host", b"x"), (b"if-match", b'"2", "3"')]
    request = Request({"headers": sent, "path_params": {}}, nothing, body_limit=0)

    assert '"1", "2", "3"' == request.header("If-Match")
    assert {"if-match": '"1", "2", "3"', "host": "x"} == request.headers


async def test_headers_that_are_missing_are_none_or_their_default(client: AppClient) -> None:
    answer = await client.get("/header")

    assert {"key": None, "version": 7, "needed": ""} == answer.json()["values"]


@pytest.mark.parametrize("headers", [{}, {"X-Key": "abc"}, {"X-Key": ""}])
async def test_a_header_that_is_wrong_or_missing_is_a_mistake_with_its_name(
    client: AppClient, headers: dict[str, str]
) -> None:
    answer = await client.get("/needs-header", headers=headers)

    assert 422 == answer.status
    assert ["X-Key"] == [mistake.pointer for mistake in answer.problem().errors]


async def test_a_header_with_a_bad_number_says_so(client: AppClient) -> None:
    answer = await client.get("/header", headers={"If-Version": "x"})

    assert "If-Version: Expected `int`, got `str`." == answer.problem().detail


_query = QueryString(Filter)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_is_kept_as_it_is_where_text_is_wanted(text: str) -> None:
    assert text == _query.read(f"category={quote(text, safe='')}".encode()).category


@given(st.binary(max_size=60))
def test_no_query_whatever_is_more_than_a_mistake(query: bytes) -> None:
    try:
        wanted = _query.read(query)
    except InvalidFields as problem:
        assert problem.errors  # noqa: PT017 - either way is fine
    else:
        assert 1 <= wanted.limit <= 200


@given(st.integers(1, 200))
def test_numbers_are_read_as_they_are_written(limit: int) -> None:
    assert limit == _query.read(f"limit={limit}".encode()).limit


async def test_moments_in_a_query_are_aware(client: AppClient) -> None:
    wanted = _query.read(b"since=2026-01-31T12:00:00Z")

    assert datetime(2026, 1, 31, 12, tzinfo=UTC) == wanted.since
