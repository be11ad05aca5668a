"""The routing table, by itself."""

from typing import Any

import pytest

from atoll.gateway.routes import RoutesInvalid, RoutingTable
from atoll.gateway.settings import GatewaySettings, RouteSettings
from atoll.problems import MethodNotAllowed


def table(*routes: tuple[str, str, str] | RouteSettings) -> RoutingTable:
    """Routes as (methods, path, target), open to all."""
    given = [
        each
        if isinstance(each, RouteSettings)
        else RouteSettings(path=each[1], to=each[2], access="public", methods=tuple(each[0].split()))
        for each in routes
    ]
    return RoutingTable(GatewaySettings(routes=tuple(given)))


def target(routes: RoutingTable, path: str, method: str = "GET") -> str | None:
    found = routes.find(method.encode(), path.encode())
    return found.service if found else None


ROUTES = table(
    ("GET", "/a", "list"),
    ("POST", "/a", "add"),
    ("GET", "/a/{id}", "one"),
    ("GET", "/a/special", "special"),
    ("GET", "/a/{id}/b", "below"),
    ("GET", "/a/**", "rest"),
    ("GET", "/c/{x}/{y}/d", "deep"),
    ("GET", "/c/fixed/**", "fixed"),
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a", "list"),
        ("/a/1", "one"),
        ("/a/special", "special"),
        ("/a/1/b", "below"),
        ("/a/special/b", "below"),
        ("/a/1/other", "rest"),
        ("/a/1/b/c/d", "rest"),
        ("/a/", "rest"),
        ("/c/1/2/d", "deep"),
        ("/c/fixed", "fixed"),
        ("/c/fixed/2/d", "fixed"),
        ("/c/1/2", None),
        ("/b", None),
        ("/", None),
        ("/A", None),
        ("/aa", None),
    ],
)
def test_the_most_specific_path_wins(path: str, expected: str | None) -> None:
    assert expected == target(ROUTES, path)


def test_what_is_most_specific_does_not_depend_on_the_order() -> None:
    one = table(("GET", "/a/**", "rest"), ("GET", "/a/{id}", "one"), ("GET", "/a/x", "x"))
    other = table(("GET", "/a/x", "x"), ("GET", "/a/{id}", "one"), ("GET", "/a/**", "rest"))

    for path in ("/a/x", "/a/y", "/a/y/z"):
        assert target(one, path) == target(other, path)


def test_the_method_is_asked_only_at_the_most_specific_path() -> None:
    routes = table(("GET", "/a/{id}", "one"), ("GET DELETE", "/a/**", "rest"))

    with pytest.raises(MethodNotAllowed) as refused:
        target(routes, "/a/1", "DELETE")

    assert refused.value.headers == {"Allow": "GET, HEAD"}


def test_get_brings_head_with_it_unless_head_has_a_rule_of_its_own() -> None:
    routes = table(("HEAD", "/a", "own"), ("GET", "/a", "list"), ("GET", "/b", "b"))

    assert ("own", "b") == (target(routes, "/a", "HEAD"), target(routes, "/b", "HEAD"))


def route(**changes: Any) -> RouteSettings:
    return RouteSettings(**{"path": "/a", "to": "things", "access": "public", **changes})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (route(path="a"), "Route 1 (a) must begin with a slash."),
        (route(path="/api/a"), "Route 1 (/api/a) must leave out `/api`, which is taken off before."),
        (route(path="/a/"), "has the segment ''"),
        (route(path="/a//b"), "has the segment ''"),
        (route(path="/a/../b"), "has the segment '..'"),
        (route(path="/a/**/b"), "has the segment '**'"),
        (route(path="/a/x{id}"), "has the segment 'x{id}'"),
        (route(path="/a/%41"), "has the segment '%41'"),
        (route(to="No Service"), "goes to 'No Service', which cannot be the name of a service."),
        (route(access=""), "has the access ''; write `public`, `user`, or the name of a role."),
        (route(methods=()), "has an empty list of methods"),
        (route(methods=("get",)), "has the method 'get'; known are GET,"),
        (route(body_limit=-1), "has a negative body_limit."),
        (route(total_timeout=0.0), "has a total_timeout of 0 s; it must be more than 0."),
    ],
)
def test_a_mistake_is_told_in_a_sentence(wrong: RouteSettings, sentence: str) -> None:
    with pytest.raises(RoutesInvalid) as mistake:
        table(wrong)

    assert sentence in str(mistake.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(RoutesInvalid) as mistake:
        table(route(path="b"), route(), route(access="!"), route(methods=("GET",)))

    assert len(mistake.value.mistakes) == 3
    assert "Route 4 (/a) repeats GET" in mistake.value.mistakes[2]
