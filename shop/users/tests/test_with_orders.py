"""A user with their latest orders, while the orders service is there, slow, or away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx2
import pytest

from atoll import wire
from atoll.calls import CallTimeout
from atoll.endpoints import CallingService, Route
from atoll.neighbours import Neighbours
from atoll.service import Service
from atoll.settings import ServiceSettings
from atoll.testing.callers import Callers
from atoll.testing.serving import serving
from shop_contracts.money import Money
from shop_contracts.orders import Order, OrderLine, OrderPage
from shop_users.last_known import LastKnown
from shop_users.upstreams import LATEST, OrdersOverHttp


def order(order_id: str, user_id: str) -> Order:
    moment = datetime.fromisoformat("2030-01-01T00:00:00Z")
    return Order(
        id=order_id,
        user_id=user_id,
        items=(OrderLine(product_id="lamp", name="Lamp", quantity=1, price=Money(1990)),),
        total_amount=Money(1990),
        currency="EUR",
        status="confirmed",
        created_at=moment,
        updated_at=moment,
    )


async def with_orders(client: httpx2.AsyncClient, user_id: str) -> Any:
    answer = await client.get(f"/users/{user_id}", params={"include": "orders"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def user(registered: Any, orders: Any) -> Any:
    """Ann, who has two orders."""
    ann = await registered()
    orders.of[ann["id"]] = [order("second", ann["id"]), order("first", ann["id"])]
    return ann


@pytest.fixture
async def ann(user: Any, signed_in: Any) -> httpx2.AsyncClient:
    client: httpx2.AsyncClient = await signed_in()
    return client


async def test_orders_are_only_there_when_they_are_asked_for(ann: httpx2.AsyncClient, user: Any) -> None:
    without = (await ann.get(f"/users/{user['id']}")).json()
    with_them = await with_orders(ann, user["id"])

    assert user == without
    assert ["second", "first"] == [each["id"] for each in with_them["orders"]]
    assert user | {"orders": with_them["orders"]} == with_them


async def test_while_orders_is_away_the_last_known_ones_are_told(
    ann: httpx2.AsyncClient, user: Any, orders: Any
) -> None:
    before = await with_orders(ann, user["id"])
    orders.away = True
    degraded = await with_orders(ann, user["id"])
    orders.away = False
    after = await with_orders(ann, user["id"])

    assert before | {"degraded": ["orders"]} == degraded
    assert before == after


async def test_while_orders_is_away_what_was_never_known_is_null(
    ann: httpx2.AsyncClient, user: Any, orders: Any
) -> None:
    orders.away = True
    degraded = await with_orders(ann, user["id"])

    assert user | {"orders": None, "degraded": ["orders"]} == degraded


async def test_an_administrator_sees_the_orders_of_others_and_nobody_else_does(
    admin: httpx2.AsyncClient, user: Any, registered: Any, signed_in: Any
) -> None:
    seen = await with_orders(admin, user["id"])
    await registered(email="bob@example.com")
    bob = await signed_in("bob@example.com")
    refused = await bob.get(f"/users/{user['id']}", params={"include": "orders"})

    assert 2 == len(seen["orders"])
    assert 404 == refused.status_code


@pytest.mark.parametrize("query", ["include=cart", "include=", "include=orders,cart", "includes=orders"])
async def test_nothing_else_can_be_included(ann: httpx2.AsyncClient, user: Any, query: str) -> None:
    answer = await ann.get(f"/users/{user['id']}?{query}")

    assert 422 == answer.status_code


def test_what_was_known_first_makes_room_for_what_is_known_now() -> None:
    known = LastKnown(max_bytes=3 * len(wire.encode([order("o", "user 10")])))
    for number in range(10, 20):
        known.keep(f"user {number}", [order("o", f"user {number}")])
    kept = [number for number in range(10, 20) if known.of(f"user {number}") is not None]

    assert [17, 18, 19] == kept
    assert [order("o", "user 19")] == known.of("user 19")


def test_what_is_known_is_replaced_and_forgotten() -> None:
    known = LastKnown()
    known.keep("ann", [order("old", "ann")])
    known.keep("ann", [order("new", "ann")])
    replaced = known.of("ann")
    known.forget("ann")

    assert [order("new", "ann")] == replaced
    assert known.of("ann") is None
    assert "<LastKnown: 0 users, 0 bytes>" == repr(known)


def test_more_than_there_is_room_for_is_not_kept() -> None:
    known = LastKnown(max_bytes=10)
    known.keep("ann", [order("one", "ann")])

    assert known.of("ann") is None


class OrdersService:
    """The orders service on a socket, as far as users calls it."""

    def __init__(self) -> None:
        self.limits: list[int] = []
        self.callers: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def get_orders(self, user_id: str, caller: CallingService, limit: int) -> OrderPage:
        self.limits.append(limit)
        self.callers.append(caller.subject)
        await self.answers.wait()
        return OrderPage(items=[order("one", user_id)], next_cursor="more")

    @asynccontextmanager
    async def asked_by_users(self) -> AsyncIterator[OrdersOverHttp]:
        routes = [Route("GET", "/users/{user_id}/orders", self.get_orders)]
        service = Service("orders", routes, authenticator=Callers().authenticator("orders"))
        async with serving(service) as url:
            neighbours = Neighbours("users", _Addresses(orders_url=url), "orders")
            client = neighbours.client("orders")
            async with neighbours:
                yield OrdersOverHttp(client)


class _Addresses(ServiceSettings, frozen=True, kw_only=True):
    orders_url: str


async def test_orders_is_asked_with_a_credential_of_our_own() -> None:
    service = OrdersService()
    async with service.asked_by_users() as orders:
        latest = await orders.latest("ann")

    assert [order("one", "ann")] == list(latest)
    assert ([LATEST], ["users"]) == (service.limits, service.callers)


async def test_orders_that_takes_its_time_is_not_waited_for() -> None:
    service = OrdersService()
    async with service.asked_by_users() as orders:
        service.answers.clear()
        with pytest.raises(CallTimeout):
            async with asyncio.timeout(3):
                await orders.latest("ann")
        service.answers.set()
