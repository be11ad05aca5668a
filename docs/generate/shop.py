"""The shop's services, put together and never started, and the rules of its public door."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import shop_orders.app
import shop_products.app
import shop_users.app
from atoll.gateway.routes import Route as DoorRoute
from atoll.gateway.routes import RoutingTable
from atoll.gateway.settings import GatewaySettings, LimitSettings, RouteSettings
from atoll.problems import MethodNotAllowed
from atoll.registry.app import create_registry
from atoll.registry.settings import RegistrySettings
from atoll.settings import ServiceSettings
from shop_orders.settings import OrdersSettings
from shop_products.settings import ProductsSettings
from shop_users.settings import UsersSettings

SYSTEM_FILE = Path(__file__).parents[2] / "shop" / "atoll.toml"

SETTINGS: Mapping[str, type[ServiceSettings]] = {
    "gateway": GatewaySettings,
    "users": UsersSettings,
    "products": ProductsSettings,
    "orders": OrdersSettings,
    "registry": RegistrySettings,
}


@cache
def documents() -> Mapping[str, dict[str, Any]]:
    """The OpenAPI document of each service."""
    return {
        "users": shop_users.app.create_app(UsersSettings()).openapi(),
        "products": shop_products.app.create_app(ProductsSettings()).openapi(),
        "orders": shop_orders.app.create_app(OrdersSettings()).openapi(),
        "registry": create_registry(RegistrySettings()).service.openapi(),  # type: ignore[attr-defined]  # a Service
    }


@cache
def system_file() -> dict[str, Any]:
    return tomllib.loads(SYSTEM_FILE.read_text(encoding="utf-8"))


def port_of(service: str) -> int:
    return int(system_file()["services"][service]["port"])


def door_rules() -> list[RouteSettings]:
    """The rules of the public door, in the order of the file."""
    return msgspec.convert(system_file()["gateway"]["routes"], list[RouteSettings])


def door_limits() -> dict[str, LimitSettings]:
    """The limits of the public door in production, by name."""
    return msgspec.convert(system_file()["gateway"]["limits"], dict[str, LimitSettings])


@cache
def _routing() -> RoutingTable:
    return RoutingTable(GatewaySettings(routes=tuple(door_rules())))


def rule_at_the_door(service: str, method: str, path: str) -> DoorRoute | None:
    """What lets a request through to this route of a service, if anything does."""
    try:
        rule = _routing().find(method.encode(), path.encode())
    except MethodNotAllowed:
        return None
    return rule if rule is not None and rule.service == service else None
