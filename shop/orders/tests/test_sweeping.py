"""Orders that stay pending: products is asked about them, and neither side guesses."""

from typing import Any

import httpx2
import pytest

from atoll.storage import Migration, load_migrations, open_database

LAMP = {"items": [{"productId": "lamp", "quantity": 1}]}


@pytest.fixture
async def pending(ann: httpx2.AsyncClient, shelf: Any) -> str:
    """The id of an order of which products does not hear."""
    shelf.deaf = True
    return str((await ann.post("/orders", json=LAMP)).json()["id"])


async def status(client: httpx2.AsyncClient, order_id: str) -> str:
    return str((await client.get(f"/orders/{order_id}")).json()["status"])


async def test_an_order_whose_stock_is_settled_is_confirmed(
    ann: httpx2.AsyncClient, shelf: Any, pending: str, eventually: Any
) -> None:
    shelf.settled.add(pending)

    await eventually.status(ann, pending, "confirmed")


@pytest.mark.parametrize("fate", ["unknown", "released", "expired"])
async def test_an_order_without_stock_is_cancelled_with_the_reason_and_products_is_told(
    ann: httpx2.AsyncClient, shelf: Any, pending: str, eventually: Any, fate: str
) -> None:
    shelf.fates[pending] = None if fate == "unknown" else fate
    await eventually.status(ann, pending, "cancelled")
    reason = (await ann.get(f"/orders/{pending}")).json()["reason"]
    shelf.deaf = False
    await eventually.true(lambda: pending in shelf.released)

    assert reason
    assert 10 == shelf.stock["lamp"]


async def test_an_order_that_is_held_is_told_of_again_and_decided_by_nobody(  # noqa: PLR0917 - fixtures
    ann: httpx2.AsyncClient, shelf: Any, pending: str, eventually: Any, clock: Any, database_url: str
) -> None:
    for _ in range(600):
        await clock.advance(1)
    still = await status(ann, pending)
    async with open_database(database_url) as database:
        (told,) = await database.fetch_one("SELECT count(*) FROM outbox WHERE type = 'order.created'") or (0,)
    shelf.deaf = False
    await eventually.status(ann, pending, "confirmed")

    assert "pending" == still
    assert 2 <= told <= 7  # at first, and whenever it was twice as old
    assert 9 == shelf.stock["lamp"]


async def test_an_order_that_is_young_is_not_asked_about(
    ann: httpx2.AsyncClient, shelf: Any, pending: str, clock: Any
) -> None:
    shelf.settled.add(pending)
    for _ in range(29):
        await clock.advance(1)

    assert "pending" == await status(ann, pending)


async def test_while_products_is_away_orders_stay_pending(
    ann: httpx2.AsyncClient, shelf: Any, pending: str, eventually: Any, clock: Any
) -> None:
    shelf.settled.add(pending)
    shelf.away = True
    for _ in range(120):
        await clock.advance(1)
    still = await status(ann, pending)
    shelf.away = False
    await eventually.status(ann, pending, "confirmed")

    assert "pending" == still


async def test_an_order_that_products_fails_at_holds_up_no_other(
    ann: httpx2.AsyncClient, shelf: Any, pending: str, eventually: Any
) -> None:
    other = str((await ann.post("/orders", json=LAMP)).json()["id"])
    shelf.confusing.add(pending)
    shelf.settled |= {pending, other}
    await eventually.status(ann, other, "confirmed")
    still = await status(ann, pending)
    shelf.confusing.clear()
    await eventually.status(ann, pending, "confirmed")

    assert "pending" == still


FROM_BEFORE = """
    INSERT INTO orders (id, user_id, lines, total, currency, status, owed, created_at, updated_at, sequence)
    VALUES ($1, 'ann', '[{"productId":"lamp","name":"Lamp","quantity":1,"price":19.90}]', 1990, 'EUR', $2, $3, 1, 2, $4)
"""
CHANGE_FROM_BEFORE = "INSERT INTO order_changes (order_id, sequence, status, changed_at) VALUES ($1, $2, $3, $4)"


def until_events() -> list[Migration]:
    """The schema as it was when orders owed products something."""
    return load_migrations("shop_orders")[:3]


async def test_what_an_older_version_still_owed_products_is_told(
    start_orders: Any, shelf: Any, eventually: Any, database_url: str
) -> None:
    """One order that was to be settled, one that was to be released, and one of which all was said."""
    async with open_database(database_url) as database:
        await database.migrate(until_events())
        rows = [("new", "pending", "settle", 1), ("gone", "cancelled", "release", 3), ("old", "cancelled", None, 3)]
        await database.transaction(lambda tx: tx.execute_many(FROM_BEFORE, rows))
        history = [("new", 1, "pending", 1)]
        history += [(order, n, state, n) for order in ("gone", "old") for n, state in enumerate(LIFE, start=1)]
        await database.transaction(lambda tx: tx.execute_many(CHANGE_FROM_BEFORE, history))
    for order_id in ("new", "gone"):
        await shelf.hold(order_id, "lamp")
    for _ in range(2):
        async with start_orders() as visitors:
            await eventually.status(visitors.user("ann"), "new", "confirmed")
            await eventually.true(lambda: "gone" in shelf.released)

    assert ["gone"] == shelf.released
    events = {event.id: event for event in shelf.heard}.values()  # one that was sent at the stop may come again
    assert [("gone", "order.cancelled", 3), ("new", "order.created", 1)] == sorted(
        (event.subject, event.type, event.sequence) for event in events
    )
    assert 9 == shelf.stock["lamp"]


LIFE = ("pending", "confirmed", "cancelled")


async def test_what_an_order_came_through_before_is_still_known(database_url: str) -> None:
    async with open_database(database_url) as database:
        await database.migrate(until_events())
        rows = [("known", "cancelled", None, 3), ("unknown", "shipped", None, 1)]
        await database.transaction(lambda tx: tx.execute_many(FROM_BEFORE, rows))
        history = [("known", n, state, 10 * n) for n, state in enumerate(LIFE, start=1)]
        await database.transaction(lambda tx: tx.execute_many(CHANGE_FROM_BEFORE, history))
        await database.migrate(load_migrations("shop_orders"))
        found = await database.fetch_all("SELECT changes, sequence FROM orders ORDER BY id")

    assert [("pending:10 confirmed:20 cancelled:30", 3), ("shipped:2", 1)] == found
