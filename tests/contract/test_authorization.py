"""Who may do what: every route of every service, asked by everyone; and the public door agrees."""

from collections.abc import AsyncIterator
from functools import cache

import pytest
import pytest_asyncio
from tests.contract.one_process import OneProcessShop, Person, gateway_routes
from tests.contract.scene import Row, Scene

from atoll.gateway.routes import ANY_USER, PUBLIC, RoutingTable
from atoll.gateway.settings import GatewaySettings
from atoll.problems import MethodNotAllowed

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLERS = ("nobody", "other", "owner", "admin", "service")
"""`owner` is the user whose account or order it is, `other` another one, `service` another service of the system."""

MATRIX = """
                                                      nobody    other    owner    admin  service
registry  POST    /register                              401      401      401      401      201
registry  POST    /heartbeat/{service_id}                401      401      401      401      200
registry  DELETE  /register/{service_id}                 401      401      401      401      204
registry  GET     /discover/{name}                       200      200      200      200      200
registry  GET     /services                              200      200      200      200      200
registry  GET     /services/{name}                       200      200      200      200      200
registry  GET     /watch                                 200      200      200      200      200

users     POST    /users                                 201      201      201      201      201
users     GET     /users                                 401      403      403      200      403
users     GET     /users/{user_id}                       401      404      200      200      404
users     PATCH   /users/{user_id}                       401      404      200      200      404
users     DELETE  /users/{user_id}                       401      404      200      200      404
users     POST    /auth/login                            200      200      200      200      200
users     POST    /auth/refresh                          200      200      200      200      200
users     POST    /auth/logout                           204      204      204      204      204
users     GET     /.well-known/jwks.json                 200      200      200      200      200

products  GET     /products                              200      200      200      200      200
products  POST    /products                              401      403      403      201      403
products  POST    /products/import                       401      403      403      200      403
products  GET     /products/{product_id}                 200      200      200      200      200
products  PATCH   /products/{product_id}                 401      403      403      200      403
products  DELETE  /products/{product_id}                 401      403      403      204      403
products  PATCH   /products/{product_id}/stock           401      403      403      200      403
products  POST    /reservations                          401      403      403      403      201
products  PUT     /reservations                          401      403      403      403      200
products  GET     /reservations/{order_id}               401      403      403      403      200
products  DELETE  /reservations/{order_id}               401      403      403      403      204

orders    POST    /orders                                401      201      201      201      403
orders    GET     /orders                                401      200      200      200      200
orders    GET     /orders/{order_id}                     401      404      200      200      200
orders    GET     /orders/{order_id}/events              401      404      200      200      404
orders    POST    /orders/{order_id}/cancel              401      404      200      200      404
orders    PATCH   /orders/{order_id}/status              401      403      403      200      403
orders    GET     /users/{user_id}/orders                401      404      200      200      200

every     GET     /health                                200      200      200      200      200
every     GET     /ready                                 200      200      200      200      200
every     GET     /metrics                               200      200      200      200      200
every     GET     /openapi.json                          200      200      200      200      200
every     GET     /docs                                  200      200      200      200      200
"""

SERVICES = ("registry", "users", "products", "orders", "gateway")
ENDS_AN_OWNER = {("DELETE", "/users/{user_id}"), ("POST", "/auth/refresh"), ("POST", "/auth/logout")}

Statuses = dict[str, int]
"""By caller."""


def matrix() -> dict[Row, Statuses]:
    """The table, read; a row of a service's own stands before that of every service."""
    rows: dict[Row, Statuses] = {}
    for line in filter(None, MATRIX.strip().splitlines()[1:]):
        name, method, path, *statuses = line.split()
        for service in SERVICES if name == "every" else [name]:
            rows.setdefault(Row(service, method, path), dict(zip(CALLERS, map(int, statuses), strict=True)))
    return rows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(shop: OneProcessShop, admin: Person, customer: Person) -> Scene:
    return Scene(shop, admin, other=await shop.person(), owner=customer)


async def test_every_route_has_a_row_and_every_row_a_route(shop: OneProcessShop) -> None:
    routes = {
        Row(name, route.method, route.path) for name, service in shop.services.items() for route in service.routes
    }

    assert routes == matrix().keys()


async def test_services_answer_everyone_as_the_table_says(scene: Scene) -> None:
    expected = matrix()

    surprises = [each for row in expected async for each in surprises_at(scene, row, expected[row], door=False)]

    assert not surprises


async def test_the_door_lets_through_what_has_a_rule_and_nothing_else(scene: Scene) -> None:
    expected = {row: at_the_door(row, statuses) for row, statuses in matrix().items()}

    surprises = [each for row in expected async for each in surprises_at(scene, row, expected[row], door=True)]

    assert not surprises


async def test_the_rules_of_the_door_say_what_the_services_say() -> None:
    rules = {row: rule_for(row) for row in matrix() if rule_for(row)}

    assert {row: access_in(matrix()[row]) for row in rules} == rules


async def test_every_rule_of_the_door_leads_to_a_route() -> None:
    used = {routing().find(row.method.encode(), row.path.encode()) for row in matrix() if rule_for(row)}

    assert len(used) == len(gateway_routes())


async def surprises_at(scene: Scene, row: Row, expected: Statuses, *, door: bool) -> AsyncIterator[str]:
    """What anybody is answered there that the table does not say."""
    for caller in CALLERS:
        status = await asked(scene, row, caller, door=door)
        if status != expected[caller]:
            yield f"{' '.join(row)}: {caller} gets {status}, not {expected[caller]}"


async def asked(scene: Scene, row: Row, caller: str, *, door: bool) -> int:
    """The status that a caller gets, at the service or at the door."""
    if (row.method, row.path) in ENDS_AN_OWNER:
        scene = await scene.with_another_owner()
    path, body, content, media_type = await scene.request(row)
    headers = scene.headers(caller, row.service) | ({"Content-Type": media_type} if media_type else {})
    where, prefix = ("door", "/api") if door else (row.service, "")
    return await scene.shop.status(where, row.method, prefix + path, body, content=content, headers=headers)


@cache
def routing() -> RoutingTable:
    """The rules of the public door, as the system file has them."""
    return RoutingTable(GatewaySettings(routes=tuple(gateway_routes())))


def rule_for(row: Row) -> str:
    """What the door asks of callers before they come to this route; empty where it lets nobody through."""
    try:
        rule = routing().find(row.method.encode(), row.path.encode())
    except MethodNotAllowed:
        return ""
    return rule.access if rule is not None and rule.service == row.service else ""


def at_the_door(row: Row, statuses: Statuses) -> Statuses:
    """What callers get at the door: there is nothing without a rule, and services have no tokens for it."""
    rule = rule_for(row)
    if not rule:
        return dict.fromkeys(CALLERS, 404)
    return statuses if rule == PUBLIC else {**statuses, "service": 401}


def access_in(statuses: Statuses) -> str:
    """The loosest rule that refuses nobody whom the service would let in, and lets in none it refuses by role."""
    if statuses["nobody"] != 401:
        return PUBLIC
    return ANY_USER if statuses["other"] != 403 else "admin"
