"""What products must be told reaches it: after a crash, after an outage, and whatever else fails."""

from typing import Any

import httpx2

LAMP = {"items": [{"productId": "lamp", "quantity": 1}]}


async def placed(client: httpx2.AsyncClient) -> str:
    return str((await client.post("/orders", json=LAMP)).json()["id"])


async def test_what_a_stopped_service_left_behind_is_told_at_the_next_start(
    start_orders: Any, shelf: Any, eventually: Any
) -> None:
    shelf.deaf = True
    async with start_orders() as visitors:
        pending, cancelled = [await placed(visitors.user("ann")) for _ in range(2)]
        await visitors.user("ann").post(f"/orders/{cancelled}/cancel")
    shelf.deaf = False
    async with start_orders() as visitors:
        await eventually.status(visitors.user("ann"), pending, "confirmed")
        await eventually.true(lambda: shelf.released == [cancelled])

    assert {pending} == shelf.settled
    assert shelf.stock["lamp"] == 9


async def test_an_outage_of_products_delays_and_never_loses(
    ann: httpx2.AsyncClient, shelf: Any, eventually: Any, clock: Any
) -> None:
    shelf.deaf = True
    order_id = await placed(ann)
    await clock.advance(60)
    during = (await ann.get(f"/orders/{order_id}")).json()["status"]
    shelf.deaf = False
    await eventually.status(ann, order_id, "confirmed")

    assert during == "pending"


async def test_the_pauses_between_attempts_grow(
    ann: httpx2.AsyncClient, shelf: Any, eventually: Any, clock: Any
) -> None:
    shelf.deaf = True
    await placed(ann)
    attempts = []
    for _ in range(4):
        before = shelf.settle_calls
        for _ in range(100):
            await clock.advance(0.1)
        attempts.append(shelf.settle_calls - before)

    assert attempts[0] > attempts[-1]
    assert 0 < attempts[-1] <= 20


async def test_an_order_whose_stock_is_gone_is_cancelled(ann: httpx2.AsyncClient, shelf: Any, eventually: Any) -> None:
    shelf.deaf = True
    order_id = await placed(ann)
    shelf.reservations.clear()
    shelf.deaf = False
    await eventually.status(ann, order_id, "cancelled")


async def test_one_release_that_fails_holds_up_no_other(ann: httpx2.AsyncClient, shelf: Any, eventually: Any) -> None:
    bad, good = [await placed(ann) for _ in range(2)]
    shelf.failing_releases.add(bad)
    for order_id in (bad, good):
        await ann.post(f"/orders/{order_id}/cancel")
    await eventually.true(lambda: good in shelf.released)
    order_id = await placed(ann)
    await eventually.status(ann, order_id, "confirmed")

    assert [good] == shelf.released


async def test_the_backlog_is_measured(ann: httpx2.AsyncClient, shelf: Any, eventually: Any, clock: Any) -> None:
    shelf.deaf = True
    order_id = await placed(ann)
    await clock.advance(30)
    await eventually.metric(ann, 'orders_owed{what="settle"}', lambda orders: orders == 1)
    await eventually.metric(ann, 'orders_owed_oldest_seconds{what="settle"}', lambda seconds: seconds >= 29)
    await eventually.metric(ann, 'orders_telling_failures_total{what="settle"}', lambda failures: failures > 1)
    shelf.deaf = False
    await eventually.status(ann, order_id, "confirmed")

    await eventually.metric(ann, 'orders_owed{what="settle"}', lambda orders: orders == 0)


async def test_many_orders_are_settled_in_few_calls(ann: httpx2.AsyncClient, shelf: Any, eventually: Any) -> None:
    many = 250
    shelf.stock["lamp"] = many
    shelf.deaf = True
    for _ in range(many):
        await placed(ann)
    shelf.deaf = False
    shelf.settle_calls = 0
    await eventually.true(lambda: len(shelf.settled) == many)

    assert shelf.settle_calls <= 10
