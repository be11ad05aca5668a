import inspect
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

import msgspec
import pytest

from atoll.endpoints import (
    Admin,
    CallingService,
    Content,
    HandlerMistake,
    Header,
    NotModified,
    Query,
    Reply,
    Request,
    Route,
    Stream,
)
from atoll.identity.principal import Principal
from atoll.problems import Conflict, NotFound, Unavailable
from atoll.service import Service
from atoll.testing.asgi import AppClient
from atoll.wire import Model, StrictModel

Json = dict[str, Any]


class Cents:
    wire_schema: ClassVar[Json] = {"type": "number", "multipleOf": 0.01, "minimum": 0}

    @classmethod
    def from_wire(cls, value: object) -> Self:
        return cls()

    def to_wire(self) -> object:
        return 0


class Product(Model):
    """What is for sale."""

    id: UUID
    unit_price: Cents
    made_at: datetime | None = None


class NewProduct(StrictModel):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, description="As customers see it.")]
    unit_price: Cents
    tags: list[str] = msgspec.field(default_factory=list)


class Page(Model):
    items: list[Product]
    next_cursor: str | None


class Filter(StrictModel):
    min_price: Cents | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    sort: Literal["name", "price"] = "name"
    tags: list[str] = msgspec.field(default_factory=list)


class Nobody:
    async def authenticate(self, authorization: str) -> Principal:
        raise AssertionError("documents are made without callers")


class Products:
    async def list_products(self, wanted: Annotated[Filter, Query()]) -> Page:
        """Lists products.

        Newest first.
        """
        raise NotImplementedError

    async def add(self, body: NewProduct | list[NewProduct], caller: Admin) -> Reply[Product | list[Product]]:
        raise NotImplementedError

    async def get(self, product_id: UUID, caller: Principal | None) -> Product:
        raise NotImplementedError

    async def change(
        self, product_id: UUID, body: NewProduct, caller: Admin, match: Annotated[str | None, Header("If-Match")]
    ) -> Product:
        raise NotImplementedError

    async def hide(self, product_id: UUID, caller: CallingService) -> None: ...

    async def maybe(self, amount: int, text: str = "a") -> Product | None: ...

    async def import_csv(self, request: Request, caller: Admin) -> Stream | Content:
        raise NotImplementedError

    async def optional_body(self, body: NewProduct | None = None) -> None: ...

    def table(self) -> list[Route]:
        return [
            Route("GET", "/products", self.list_products),
            Route("POST", "/products", self.add, status=201, problems=[Conflict], summary="Adds products."),
            Route("GET", "/products/{product_id}", self.get, problems=[NotFound]),
            Route("PATCH", "/products/{product_id}", self.change, problems=[Conflict, Unavailable]),
            Route("DELETE", "/products/{product_id}", self.hide),
            Route("GET", "/maybe", self.maybe),
            Route("GET", "/again", self.maybe),
            Route("POST", "/import", self.import_csv),
            Route("POST", "/optional", self.optional_body, status=202),
            Route("GET", "/hidden", self.optional_query, documented=False),
        ]

    async def optional_query(self, x: int = 0) -> None: ...


@pytest.fixture(scope="module")
def document() -> Json:
    return Service("products", Products().table(), authenticator=Nobody(), version="1.2").openapi()


def operation(document: Json, method: str, path: str) -> Json:
    found: Json = document["paths"][path][method]
    return found


def parameters(document: Json, method: str, path: str) -> dict[str, Json]:
    return {parameter["name"]: parameter for parameter in operation(document, method, path).get("parameters", [])}


def test_the_document_says_what_it_is_of(document: Json) -> None:
    assert ("3.1.1", {"title": "products", "version": "1.2"}) == (document["openapi"], document["info"])


def test_routes_that_are_not_documented_and_those_of_every_service_are_left_out(document: Json) -> None:
    assert not {"/hidden", "/health", "/ready", "/metrics", "/openapi.json", "/docs"} & document["paths"].keys()


def test_summary_and_description_are_the_docstring(document: Json) -> None:
    listing = operation(document, "get", "/products")
    adding = operation(document, "post", "/products")

    assert ("Lists products.", "Newest first.") == (listing["summary"], listing["description"])
    assert "Adds products." == adding["summary"]
    assert "description" not in adding


def test_operations_have_names_and_groups(document: Json) -> None:
    names = {(path, method): op["operationId"] for path, method, op in operations(document)}

    assert "listProducts" == names["/products", "get"]
    assert ("maybe", "maybe_get_again") == (names["/maybe", "get"], names["/again", "get"])
    assert ["products"] == operation(document, "get", "/products/{product_id}")["tags"]


def test_a_query_struct_is_one_parameter_for_each_field(document: Json) -> None:
    query = parameters(document, "get", "/products")

    assert {"minPrice", "limit", "sort", "tags"} == query.keys()
    assert all(parameter["in"] == "query" and not parameter["required"] for parameter in query.values())
    assert {"type": "integer", "minimum": 1, "maximum": 200, "default": 50} == query["limit"]["schema"]


def test_an_optional_parameter_is_absent_and_never_null(document: Json) -> None:
    query = parameters(document, "get", "/products")
    change = parameters(document, "patch", "/products/{product_id}")

    assert Cents.wire_schema == query["minPrice"]["schema"]
    assert {"type": "string"} == change["If-Match"]["schema"]


def test_loose_query_parameters_are_required_unless_they_have_a_default(document: Json) -> None:
    query = parameters(document, "get", "/maybe")

    assert (True, False) == (query["amount"]["required"], query["text"]["required"])


def test_path_and_header_parameters_are_there(document: Json) -> None:
    change = parameters(document, "patch", "/products/{product_id}")

    assert ("path", True, "uuid") == (
        change["product_id"]["in"],
        change["product_id"]["required"],
        change["product_id"]["schema"]["format"],
    )
    assert ("header", False) == (change["If-Match"]["in"], change["If-Match"]["required"])


def test_a_body_is_described_by_its_schema(document: Json) -> None:
    body = operation(document, "post", "/products")["requestBody"]
    schema = document["components"]["schemas"]["NewProduct"]

    assert body["required"] is True
    assert [{"$ref": "#/components/schemas/NewProduct"}] == [
        one for one in body["content"]["application/json"]["schema"]["anyOf"] if "$ref" in one
    ]
    assert ({"name", "unitPrice", "tags"}, False) == (schema["properties"].keys(), schema["additionalProperties"])
    assert Cents.wire_schema == schema["properties"]["unitPrice"]
    assert "As customers see it." == schema["properties"]["name"]["description"]


def test_an_optional_body_is_not_required(document: Json) -> None:
    assert operation(document, "post", "/optional")["requestBody"]["required"] is False


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/products", {"200", "422", "default"}),
        ("post", "/products", {"201", "400", "401", "403", "409", "413", "415", "422", "default"}),
        ("get", "/products/{product_id}", {"200", "401", "404", "default"}),
        (
            "patch",
            "/products/{product_id}",
            {"200", "400", "401", "403", "404", "409", "413", "415", "422", "503", "default"},
        ),
        ("delete", "/products/{product_id}", {"204", "401", "403", "404", "default"}),
        ("get", "/maybe", {"200", "204", "422", "default"}),
        ("post", "/import", {"200", "401", "403", "default"}),
        ("post", "/optional", {"202", "400", "413", "415", "422", "default"}),
    ],
)
def test_answers_are_those_declared_and_those_implied(
    document: Json, method: str, path: str, statuses: set[str]
) -> None:
    assert statuses == operation(document, method, path)["responses"].keys()


def test_an_answer_that_is_not_sent_again_has_no_content() -> None:
    async def unchanged() -> Reply[Product] | NotModified:
        raise NotImplementedError

    responses = operation(Service("shop", [Route("GET", "/one", unchanged)]).openapi(), "get", "/one")["responses"]

    assert {"200", "304", "default"} == set(responses)
    assert {"description": "Not Modified"} == responses["304"]


def test_every_error_is_problem_details(document: Json) -> None:
    for path, method, found in operations(document):
        for status, answer in found["responses"].items():
            if status == "default" or int(status) >= 400:
                schema = {"$ref": "#/components/schemas/ProblemDetails"}
                assert {"application/problem+json"} == answer["content"].keys(), (path, method, status)
                assert schema == answer["content"]["application/problem+json"]["schema"], (path, method, status)


def test_what_is_not_json_is_any_content(document: Json) -> None:
    assert {"*/*": {}} == operation(document, "post", "/import")["responses"]["200"]["content"]


def test_every_problem_is_explained_by_the_docstring_of_its_class(document: Json) -> None:
    answers = operation(document, "patch", "/products/{product_id}")["responses"]
    conflict = {"summary": "Conflict", "description": inspect.getdoc(Conflict)}

    assert ["conflict"] == [*answers["409"]["content"]["application/problem+json"]["examples"]]
    assert conflict == document["components"]["examples"]["conflict"]
    assert "examples" not in answers["default"]["content"]["application/problem+json"]


def test_security_says_when_a_token_is_needed_and_whose(document: Json) -> None:
    assert [{"accessToken": ["admin"]}] == operation(document, "post", "/products")["security"]
    assert [{}, {"accessToken": []}] == operation(document, "get", "/products/{product_id}")["security"]
    assert [{"serviceToken": []}] == operation(document, "delete", "/products/{product_id}")["security"]
    assert "security" not in operation(document, "get", "/products")
    assert {"bearer"} == {scheme["scheme"] for scheme in document["components"]["securitySchemes"].values()}


def test_a_service_without_callers_needs_no_security_schemes() -> None:
    document = Service("test", []).openapi()

    assert {} == document["paths"]
    assert {"schemas"} == document["components"].keys()


def test_a_type_without_a_schema_is_told_when_the_service_is_built() -> None:
    class Opaque: ...

    async def handle() -> Opaque:
        raise NotImplementedError

    with pytest.raises(HandlerMistake, match=r"A type of the routes has no JSON schema: .*Opaque"):
        Service("test", [Route("GET", "/x", handle)])


async def test_the_document_is_served(document: Json) -> None:
    service = Service("products", Products().table(), authenticator=Nobody(), version="1.2")
    answer = await AppClient(service.app).get("/openapi.json")

    assert msgspec.json.decode(msgspec.json.encode(document)) == answer.json()


def test_the_document_keeps_the_rules_of_openapi_3_1(document: Json) -> None:
    assert [] == list(broken_rules(msgspec.json.decode(msgspec.json.encode(document))))


# The rules of OpenAPI 3.1.1 that concern what a document of ours has, by section.

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
SCHEMA_TYPES = {"null", "boolean", "object", "array", "number", "string", "integer"}


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            yield path, method, found


def broken_rules(document: Json) -> Iterator[str]:
    if not re.fullmatch(r"3\.1\.\d+", document["openapi"]):
        yield "4.8.1 openapi: not 3.1"
    if not {"title", "version"} <= document["info"].keys():
        yield "4.8.2 info: title and version are required"
    ids = [found["operationId"] for _, _, found in operations(document)]
    if len(ids) != len(set(ids)):
        yield "4.8.10 operationId: not unique"
    for path, method, found in operations(document):
        for rule in broken_operation(path, method, found, document):
            yield f"{method} {path}: {rule}"
    yield from broken_references(document, document)
    for name, schema in document["components"]["schemas"].items():
        if not re.fullmatch(r"[a-zA-Z0-9._-]+", name):
            yield f"4.8.7 components: {name} is no key"
        yield from broken_schema(schema, name)


def broken_operation(path: str, method: str, found: Json, document: Json) -> Iterator[str]:
    if not path.startswith("/"):
        yield "4.8.8.1 paths begin with a slash"
    if method not in METHODS:
        yield "4.8.9 unknown method"
    yield from broken_parameters(path, found)
    yield from broken_answers(found)
    if "requestBody" in found and not found["requestBody"]["content"]:
        yield "4.8.13 a request body has content"
    schemes = document["components"].get("securitySchemes", {})
    for requirement in found.get("security", []):
        if not requirement.keys() <= schemes.keys():
            yield "4.8.30 unknown security scheme"


def broken_parameters(path: str, found: Json) -> Iterator[str]:
    given = [(parameter["name"], parameter["in"]) for parameter in found.get("parameters", [])]
    if len(given) != len(set(given)):
        yield "4.8.10 parameters are unique by name and place"
    if set(re.findall(r"\{(.*?)\}", path)) != {name for name, place in given if place == "path"}:
        yield "4.8.8.2 every name of the path is a parameter, and the reverse"
    for parameter in found.get("parameters", []):
        if parameter["in"] not in {"query", "header", "path", "cookie"}:
            yield "4.8.12 unknown place"
        if parameter["in"] == "path" and parameter["required"] is not True:
            yield "4.8.12 path parameters are required"
        yield from broken_schema(parameter["schema"], parameter["name"])


def broken_answers(found: Json) -> Iterator[str]:
    if not found["responses"]:
        yield "4.8.16 at least one response"
    for status, answer in found["responses"].items():
        if not re.fullmatch(r"[1-5](\d\d|XX)|default", status):
            yield f"4.8.16 {status} is no status"
        if "description" not in answer:
            yield "4.8.17 a response has a description"


def broken_references(node: Any, document: Json) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node and resolve(node["$ref"], document) is None:
            yield f"4.8.23 {node['$ref']} leads nowhere"
        for inner in node.values():
            yield from broken_references(inner, document)
    elif isinstance(node, list):
        for inner in node:
            yield from broken_references(inner, document)


def resolve(reference: str, document: Json) -> Any:
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node.get(step) if isinstance(node, dict) else None
    return node


def broken_schema(schema: Json, where: str) -> Iterator[str]:
    types = schema.get("type", [])
    if not set([types] if isinstance(types, str) else types) <= SCHEMA_TYPES:
        yield f"JSON Schema 6.1.1 {where}: {types}"
    if not set(schema.get("required", [])) <= schema.get("properties", {}).keys():
        yield f"{where}: requires what it does not have"
    for key, inner in schema.get("properties", {}).items():
        yield from broken_schema(inner, f"{where}.{key}")
    for inner in schema.get("anyOf", []):
        yield from broken_schema(inner, where)
    if isinstance(schema.get("items"), dict):
        yield from broken_schema(schema["items"], f"{where}[]")


def test_the_rules_find_what_is_wrong() -> None:
    broken: Json = {
        "openapi": "3.0.0",
        "info": {"title": "x"},
        "paths": {
            "/a/{b}": {
                "get": {"operationId": "x", "responses": {"20": {}}, "security": [{"key": []}]},
                "fetch": {"operationId": "x", "responses": {}},
            }
        },
        "components": {"schemas": {"A": {"type": "strange", "items": {"$ref": "#/components/schemas/B"}}}},
    }

    assert 12 == len(list(broken_rules(broken)))
