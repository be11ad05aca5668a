"""The pages of the API: one for each service, out of its OpenAPI document; one for the door; and the list of all."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from docs.generate import shop
from docs.generate.markdown import BY_MAKE_DOCS, anchor, block, one_line, page, table
from docs.generate.schemas import Examples, field_table, words

Json = Mapping[str, Any]

_ABOUT = {
    "users": "Accounts, sign-in, and the keys that access tokens are checked with.",
    "products": "The catalogue, its stock, and the reservations that orders have on it.",
    "orders": "Orders and their states.",
    "registry": "Who is running where. For the services of the system and those who run it; never at the public door.",
}

_OF_EVERY_SERVICE = (
    ("`GET /health`", "It is alive: service, time, uptime, memory, process, version."),
    ("`GET /ready`", "Whether it can do its work: each thing it needs, by name; 503 when one is missing."),
    ("`GET /metrics`", "Counters and histograms, as Prometheus reads them."),
    ("`GET /openapi.json`", "The OpenAPI 3.1 document that these pages are made of."),
    ("`GET /docs`", "The same to read and try, without the internet."),
)


_COMMON = """
Every call of every service. Clients come in at the [public door](gateway.md) alone, where paths begin with `/api`;
services call each other at their own ports.

Bodies are JSON in camelCase and UTF-8; times are RFC 3339 in UTC; ids are opaque texts; money is a number with at most
two decimals. Unknown fields and parameters are refused. Lists are `{"items": […], "nextCursor": …}`: pass `nextCursor`
on as `cursor` for the next page. Errors are [problems](../problems/README.md).
"""

_ROUTES = """
What it lets in is `[[gateway.routes]]` in [`shop/atoll.toml`](../../shop/atoll.toml), and nothing else exists outside:
any other path is [404](../problems/not-found.md). `/api/v1/…` is the same as `/api/…`.
"""

_LIMITS = """
Of each limit so much may be used in any window of that length; more is [429](../problems/too-many-requests.md). In
development they are wider. [How limits work](../guides/limits.md)
"""

_PASSING = """
It answers `GET /health` itself: `{"status": "healthy", "service": "gateway", "timestamp": …}`. Its `/ready`, `/metrics`
and `/docs` are on a second port, for those who run the system.

A request passes the door with its method, path and body as they are. The door checks the token where one is needed, and
every service checks it again. What it refuses itself are the same [problems](../problems/README.md) as everywhere: a
head or a body that is too large or comes too slowly, a token that is not valid, a service that gives no answer.
"""


class Call(NamedTuple):
    """One operation of one service."""

    service: str
    method: str
    path: str
    operation: Json

    @property
    def heading(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def link(self) -> str:
        """Where its section is, seen from `docs/api`."""
        return f"{self.service}.md{anchor(self.heading)}"

    @property
    def who(self) -> str:
        return who_may(self.operation)

    @property
    def at_the_door(self) -> str:
        rule = shop.rule_at_the_door(self.service, self.method, self.path)
        return f"`/api{self.path}`" if rule else "no"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Status and slug of each problem that it may answer."""
        for status, answer in self.operation["responses"].items():
            for content in answer.get("content", {}).values():
                yield from ((status, slug) for slug in content.get("examples", {}))


def calls_of(service: str) -> list[Call]:
    """The operations of a service, in the order of its routes."""
    paths = shop.documents()[service]["paths"]
    return [
        Call(service, method.upper(), path, operation)
        for path, operations in paths.items()
        for method, operation in operations.items()
    ]


def all_calls() -> list[Call]:
    return [call for service in shop.documents() for call in calls_of(service)]


def who_may(operation: Json) -> str:
    """In words, from the `security` of an operation."""
    ways = operation.get("security")
    if not ways:
        return "anyone"
    schemes = {scheme: roles for way in ways for scheme, roles in way.items()}
    if "serviceToken" in schemes:
        return "services"
    roles = schemes["accessToken"]
    users = f"users with the role {' and '.join(roles)}" if roles else "signed-in users"
    return f"anyone; {users} see more" if {} in ways else users


def api_pages() -> dict[str, str]:
    services = {f"{service}.md": _service_page(service) for service in shop.documents()}
    return {"README.md": _overview(), "gateway.md": _gateway_page(), **services}


def _overview() -> str:
    return page(
        BY_MAKE_DOCS,
        "# The API",
        _COMMON,
        *(
            part
            for service in shop.documents()
            for part in (f"## [{service}]({service}.md)", _ABOUT[service], _call_table(service))
        ),
        "## Every service",
        "On its own port, never at the door; the gateway has these on its second port.",
        table(("call", "answers"), _OF_EVERY_SERVICE),
    )


def _call_table(service: str) -> str:
    rows = [
        (f"[`{call.heading}`]({call.link})", call.operation.get("summary", ""), call.who, call.at_the_door)
        for call in calls_of(service)
    ]
    return table(("call", "does", "for", "at the door"), rows)


def _service_page(service: str) -> str:
    document = shop.documents()[service]
    shared = document["components"]["schemas"]
    return page(
        BY_MAKE_DOCS,
        f"# {service}",
        f"{_ABOUT[service]} It listens on port {shop.port_of(service)}, where `/docs` shows the same to try things on. "
        "What all calls have in common is on the [first page](README.md).",
        _call_table(service),
        *(part for call in calls_of(service) for part in _call_section(call, Examples(shared))),
        "## Schemas",
        *(part for name, schema in sorted(shared.items()) for part in _schema_section(name, schema)),
    )


def _call_section(call: Call, examples: Examples) -> Iterator[str]:
    operation = call.operation
    yield f"## {call.heading}"
    yield operation.get("summary", "")
    yield operation.get("description", "")
    door = f"At the door: {call.at_the_door}." if call.at_the_door != "no" else "Not at the door."
    yield f"For {call.who}. {door}"
    yield _parameters(operation)
    yield from _body(operation, examples)
    yield "**Answers**"
    yield table(("status", "body", "when"), [_answer(*each) for each in operation["responses"].items()])


def _parameters(operation: Json) -> str:
    rows = [
        (
            f"`{each['name']}`",
            each["in"],
            words(each["schema"]) + ("" if each["required"] else ", optional"),
            f"`{json.dumps(each['schema']['default'])}`" if "default" in each["schema"] else "",
        )
        for each in operation.get("parameters", [])
    ]
    columns = 4 if any(row[3] for row in rows) else 3
    return table(("parameter", "in", "type", "default")[:columns], [row[:columns] for row in rows]) if rows else ""


def _body(operation: Json, examples: Examples) -> Iterator[str]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if "schema" not in content:
            yield f"**Body**: `{media_type}`"
            continue
        yield f"**Body**: {words(content['schema'])}"
        if media_type == "application/json":
            yield block("json", json.dumps(examples.of(content["schema"], brief=True), indent=2, ensure_ascii=False))


def _answer(status: str, answer: Json) -> tuple[str, str, str]:
    contents = answer.get("content", {})
    slugs = [slug for content in contents.values() for slug in content.get("examples", {})]
    if slugs or status == "default":
        links = ", ".join(f"[{slug}](../problems/{slug}.md)" for slug in slugs)
        return ("any other" if status == "default" else status), "a problem", links
    bodies = [words(body["schema"]) if body.get("schema") else f"`{kind}`" for kind, body in contents.items()]
    return status, " or ".join(bodies) or "nothing", answer["description"]


def _schema_section(name: str, schema: Json) -> Iterator[str]:
    yield f"### {name}"
    yield one_line(schema.get("description", ""))
    yield field_table(schema) if schema.get("properties") else words(schema)


def _gateway_page() -> str:
    return page(
        BY_MAKE_DOCS,
        "# gateway",
        f"The one public door, on port {shop.port_of('gateway')}.",
        _ROUTES,
        table(("path", "methods", "for", "goes to", "limit"), [_rule(rule) for rule in shop.door_rules()]),
        _LIMITS,
        table(("limit", "each address", "each signed-in user"), [_limit(*each) for each in shop.door_limits().items()]),
        _PASSING,
    )


def _limit(name: str, limit: Any) -> tuple[str, str, str]:
    return name, limit.address, limit.user or "as their address"


def _rule(rule: Any) -> tuple[str, str, str, str, str]:
    access = {"public": "anyone", "user": "signed-in users"}.get(rule.access, f"users with the role {rule.access}")
    cost = f", each for {rule.cost}" if rule.cost != 1 else ""
    return f"`/api{rule.path}`", " ".join(rule.methods), access, f"[{rule.to}]({rule.to}.md)", rule.limit + cost
