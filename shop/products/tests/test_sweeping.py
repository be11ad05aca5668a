"""Holds that run out: freed when orders says so, kept while it cannot be asked."""

from typing import Any

import httpx2
import pytest


@pytest.fixture
async def lamp(admin: httpx2.AsyncClient, service: httpx2.AsyncClient) -> str:
    """The id of a product of which order o1 holds two of ten."""
    product = {"name": "Lamp", "price": 19.9, "category": "home", "stock": 10}
    lamp = str((await admin.post("/products", json=product)).json()["id"])
    hold = {"orderId": "o1", "items": [{"productId": lamp, "quantity": 2}]}
    (await service.post("/reservations", json=hold)).raise_for_status()
    return lamp


async def state(service: httpx2.AsyncClient) -> str:
    return str((await service.get("/reservations/o1")).json()["state"])


async def stock(service: httpx2.AsyncClient, product_id: str) -> int:
    return int((await service.get(f"/products/{product_id}")).json()["stock"])


async def test_a_hold_whose_order_was_never_placed_is_freed(
    pass_time: Any, service: httpx2.AsyncClient, lamp: str, ledger: Any
) -> None:
    await pass_time(640)

    assert await state(service) == "expired"
    assert await stock(service, lamp) == 10
    assert await ledger.mismatches() == []


async def test_a_hold_whose_order_was_placed_is_settled(
    pass_time: Any, service: httpx2.AsyncClient, lamp: str, orders: Any
) -> None:
    orders.existing.add("o1")
    await pass_time(640)

    assert await state(service) == "settled"
    assert await stock(service, lamp) == 8


async def test_while_orders_is_away_a_hold_stays_and_is_decided_later(
    pass_time: Any, service: httpx2.AsyncClient, lamp: str, orders: Any
) -> None:
    orders.away = True
    await pass_time(6400)
    kept = await state(service)
    orders.away = False
    await pass_time(30)

    assert kept == "held"
    assert await state(service) == "expired"
    assert await stock(service, lamp) == 10


async def test_a_hold_is_not_asked_about_before_its_end(pass_time: Any, service: httpx2.AsyncClient, lamp: str) -> None:
    await pass_time(600)

    assert await state(service) == "held"
    assert await stock(service, lamp) == 8


async def test_a_hold_that_orders_fails_at_holds_up_no_other(
    pass_time: Any, service: httpx2.AsyncClient, lamp: str, orders: Any
) -> None:
    other = {"orderId": "o2", "items": [{"productId": lamp, "quantity": 3}]}
    (await service.post("/reservations", json=other)).raise_for_status()
    orders.confusing.add("o1")
    await pass_time(640)

    assert await state(service) == "held"
    assert await stock(service, lamp) == 8
