"""Pages of other origins: which may use a route, and what their browsers are told."""

from typing import Any

import pytest

from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GatewaySettings, RouteSettings
from atoll.settings import SettingsInvalid
from atoll.testing.scripted_server import ScriptedServer, answer_all

Instances = Any
OpenDoor = Any

SHOP = "https://shop.example"
ROUTES = (
    RouteSettings(path="/things", methods=("GET", "POST"), to="things", access="public"),
    RouteSettings(path="/mine", to="things", access="user"),
    RouteSettings(path="/open", to="things", access="public", cors=("*",)),
    RouteSettings(path="/closed", to="things", access="public", cors=()),
)


def request(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def preflight(path: str, origin: str, method: str = "POST", names: str = "authorization, content-type") -> bytes:
    asked = [f"Access-Control-Request-Method: {method}", f"Access-Control-Request-Headers: {names}"]
    return request("OPTIONS", path, f"Origin: {origin}", *asked)


@pytest.fixture
async def door(open_door: OpenDoor, instances: Instances) -> Any:
    async with ScriptedServer(answer_all) as things:
        yield await open_door(instances(things=things.port), routes=ROUTES, cors=(SHOP,))


async def test_pages_of_an_origin_that_may_can_read_answers_and_refusals(door: Any) -> None:
    answer = await door.ask(request("GET", "/api/things", f"Origin: {SHOP}"))
    refusal = await door.ask(request("GET", "/api/mine", f"Origin: {SHOP}"))

    assert (answer.status, refusal.status) == (200, 401)
    for each in (answer, refusal):
        assert each.fields["access-control-allow-origin"] == SHOP
        assert "ratelimit" in each.fields["access-control-expose-headers"]
        assert each.fields["vary"] == "origin"
        assert "access-control-allow-credentials" not in each.fields


@pytest.mark.parametrize(
    ("path", "origin"), [("/api/things", "https://shop.example.evil"), ("/api/things", "null"), ("/api/closed", SHOP)]
)
async def test_others_are_told_nothing(door: Any, path: str, origin: str) -> None:
    answer = await door.ask(request("GET", path, f"Origin: {origin}"))
    asked = await door.ask(preflight(path, origin))

    assert "access-control-allow-origin" not in answer.fields
    assert "access-control-allow-origin" not in asked.fields


async def test_a_browser_may_ask_first(door: Any) -> None:
    asked = await door.ask(preflight("/api/v1/things", SHOP))
    anybody = await door.ask(preflight("/api/open", "https://else.example"))

    assert (asked.status, asked.body) == (204, b"")
    assert asked.fields["access-control-allow-origin"] == SHOP
    assert asked.fields["access-control-allow-methods"] == "GET, HEAD, POST"
    assert asked.fields["access-control-allow-headers"] == "authorization, content-type"
    assert asked.fields["access-control-max-age"] == "600"
    assert anybody.fields["access-control-allow-origin"] == "https://else.example"


async def test_what_is_not_there_or_not_allowed_is_told_to_nobody(door: Any) -> None:
    nothing = await door.ask(preflight("/api/nothing", SHOP))
    no_method = await door.ask(preflight("/api/things", SHOP, "DELETE"))
    strange_names = await door.ask(preflight("/api/things", SHOP, names="a b"))

    assert (nothing.status, no_method.status) == (404, 404)
    assert "access-control-allow-headers" not in strange_names.fields


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/", "ftp://x", "https://SHOP.example", ""])
def test_what_is_no_origin_is_told_at_the_start(origin: str) -> None:
    routes = (RouteSettings(path="/things", to="things", access="public", cors=(origin,)),)
    for settings in (GatewaySettings(routes=routes), GatewaySettings(cors=(origin,))):
        with pytest.raises(SettingsInvalid, match=r"write one such as https://shop\.example"):
            create_gateway(settings, environ={})
