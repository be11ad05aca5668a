"""From state to state: who may move an order, where to, and what becomes of its stock."""

import asyncio
from datetime import datetime
from typing import Any

import httpx2
import pytest

TWO_LAMPS = {"items": [{"productId": "lamp", "quantity": 2}]}


@pytest.fixture
async def confirmed(ann: httpx2.AsyncClient, eventually: Any) -> str:
    """The id of a confirmed order of ann's, of two of ten lamps."""
    order_id = str((await ann.post("/orders", json=TWO_LAMPS)).json()["id"])
    await eventually.status(ann, order_id, "confirmed")
    return order_id


async def ship(admin: httpx2.AsyncClient, order_id: str, status: str) -> httpx2.Response:
    return await admin.patch(f"/orders/{order_id}/status", json={"status": status})


async def test_an_order_is_shipped_and_delivered(admin: httpx2.AsyncClient, confirmed: str, clock: Any) -> None:
    await clock.advance(60)
    shipped = await ship(admin, confirmed, "shipped")
    delivered = await ship(admin, confirmed, "delivered")

    assert shipped.json()["status"] == "shipped"
    assert clock.now() == datetime.fromisoformat(shipped.json()["updatedAt"])
    assert delivered.json()["status"] == "delivered"


async def test_a_cancelled_order_gives_its_stock_back_once(
    ann: httpx2.AsyncClient, confirmed: str, shelf: Any, eventually: Any
) -> None:
    answers = await asyncio.gather(*(ann.post(f"/orders/{confirmed}/cancel") for _ in range(5)))
    await eventually.true(lambda: shelf.stock["lamp"] == 10)

    assert [200, 409, 409, 409, 409] == sorted(answer.status_code for answer in answers)
    assert [confirmed] == shelf.released


async def test_a_pending_order_can_be_cancelled_and_is_never_confirmed(
    ann: httpx2.AsyncClient, shelf: Any, eventually: Any
) -> None:
    shelf.deaf = True
    order_id = (await ann.post("/orders", json=TWO_LAMPS)).json()["id"]
    cancelled = await ann.post(f"/orders/{order_id}/cancel")
    shelf.deaf = False
    await eventually.true(lambda: shelf.stock["lamp"] == 10)

    assert cancelled.json()["status"] == "cancelled"
    assert (await ann.get(f"/orders/{order_id}")).json()["status"] == "cancelled"


@pytest.mark.parametrize("status", ["shipped", "delivered"])
async def test_what_was_shipped_is_not_cancelled(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, confirmed: str, status: str
) -> None:
    for step in ("shipped", "delivered")[: 1 + (status == "delivered")]:
        await ship(admin, confirmed, step)
    answer = await ann.post(f"/orders/{confirmed}/cancel")

    assert answer.status_code == 409
    assert answer.json()["error"] == (
        f"Order {confirmed} is {status}; only one that is confirmed or pending can be cancelled"
    )


async def test_a_step_cannot_be_left_out_or_repeated(admin: httpx2.AsyncClient, confirmed: str) -> None:
    too_early = await ship(admin, confirmed, "delivered")
    await ship(admin, confirmed, "shipped")
    again = await ship(admin, confirmed, "shipped")

    assert (too_early.status_code, again.status_code) == (409, 409)


@pytest.mark.parametrize("status", ["pending", "confirmed", "cancelled", "lost", None])
async def test_no_other_state_can_be_set(admin: httpx2.AsyncClient, confirmed: str, status: object) -> None:
    answer = await admin.patch(f"/orders/{confirmed}/status", json={"status": status})

    assert answer.status_code == 422


async def test_only_an_administrator_ships(ann: httpx2.AsyncClient, confirmed: str) -> None:
    assert (await ship(ann, confirmed, "shipped")).status_code == 403


async def test_someone_elses_order_cannot_be_cancelled(visitors: Any, confirmed: str) -> None:
    assert (await visitors.user("bob").post(f"/orders/{confirmed}/cancel")).status_code == 404
    assert (await visitors.user("bob").post("/orders/nothing/cancel")).status_code == 404


async def test_an_order_that_is_not_there_cannot_be_shipped(admin: httpx2.AsyncClient) -> None:
    assert (await ship(admin, "nothing", "shipped")).status_code == 404
