"""What products does when it hears of orders: in any order, and however often it hears."""

import asyncio
from typing import Any

import httpx2
import pytest

from atoll.events.envelope import read_envelope
from atoll.storage import Database
from shop_contracts.events import ORDER_CANCELLED, ORDER_CREATED, PRODUCT_CHANGED

LAMP = {"name": "Lamp", "price": 19.9, "category": "home", "stock": 10}


@pytest.fixture
async def lamp(admin: httpx2.AsyncClient) -> str:
    """The id of a product of which there are ten."""
    return str((await admin.post("/products", json=LAMP)).json()["id"])


@pytest.fixture
async def held(service: httpx2.AsyncClient, lamp: str) -> str:
    """The id of an order that holds two lamps."""
    await hold(service, lamp, "o1")
    return "o1"


async def hold(service: httpx2.AsyncClient, lamp: str, order_id: str) -> httpx2.Response:
    wanted = {"orderId": order_id, "items": [{"productId": lamp, "quantity": 2}]}
    return await service.post("/reservations", json=wanted)


async def state(service: httpx2.AsyncClient, order_id: str) -> str:
    return str((await service.get(f"/reservations/{order_id}")).json()["state"])


async def stock(service: httpx2.AsyncClient, product_id: str) -> int:
    return int((await service.get(f"/products/{product_id}")).json()["stock"])


async def test_an_order_that_was_placed_has_its_stock_for_good(
    service: httpx2.AsyncClient, lamp: str, held: str, orders_told: Any
) -> None:
    await orders_told.created(held)

    assert [(held, "confirmed")] == await orders_told.answers(1)
    assert "settled" == await state(service, held)
    assert 8 == await stock(service, lamp)


async def test_an_order_told_of_twice_is_answered_the_same_twice(
    service: httpx2.AsyncClient, lamp: str, held: str, orders_told: Any
) -> None:
    """Orders tells anew of one that is pending for long: a new event, not the old one again."""
    await orders_told.created(held)
    await orders_told.created(held)

    assert [(held, "confirmed")] * 2 == await orders_told.answers(2)
    assert 8 == await stock(service, lamp)


async def test_the_same_event_again_is_not_acted_on_again(
    service: httpx2.AsyncClient, lamp: str, held: str, orders_told: Any
) -> None:
    created, other = orders_told.event(ORDER_CREATED, held), orders_told.event(ORDER_CREATED, "other")
    await orders_told.send(created, created)
    await orders_told.send(created, other)

    assert [(held, "confirmed"), ("other", "rejected")] == await orders_told.answers(2)


async def test_an_order_that_never_reserved_is_rejected(orders_told: Any) -> None:
    await orders_told.created("nothing")

    assert [("nothing", "rejected")] == await orders_told.answers(1)


async def test_an_order_whose_hold_had_ended_is_rejected_and_what_was_freed_stays_free(
    service: httpx2.AsyncClient, lamp: str, held: str, orders_told: Any, pass_time: Any
) -> None:
    await pass_time(640)
    await orders_told.created(held)

    assert [(held, "rejected")] == await orders_told.answers(1)
    assert ("expired", 10) == (await state(service, held), await stock(service, lamp))


async def test_a_late_event_finds_the_hold_that_was_kept_because_orders_was_away(
    held: str, orders_told: Any, orders: Any, pass_time: Any
) -> None:
    orders.away = True
    await pass_time(900)
    await orders_told.created(held)

    assert [(held, "confirmed")] == await orders_told.answers(1)


async def test_the_sweeper_answers_orders_whose_event_is_late(
    held: str, orders_told: Any, orders: Any, pass_time: Any
) -> None:
    orders.existing.add(held)
    _, answers = await asyncio.gather(pass_time(640), orders_told.answers(1))

    assert [(held, "confirmed")] == answers


async def test_a_cancelled_order_gives_its_stock_back_once(
    service: httpx2.AsyncClient, lamp: str, held: str, orders_told: Any, ledger: Any
) -> None:
    await orders_told.created(held)
    await orders_told.cancelled(held)
    await orders_told.cancelled(held)

    assert "released" == await state(service, held)
    assert [(10, "added", None), (-2, "held", held), (2, "released", held)] == await ledger.of(lamp)


async def test_a_cancellation_that_comes_first_wins(
    service: httpx2.AsyncClient, lamp: str, held: str, orders_told: Any
) -> None:
    await orders_told.cancelled(held)
    await orders_told.created(held)

    assert [(held, "rejected")] == await orders_told.answers(1)
    assert ("released", 10) == (await state(service, held), await stock(service, lamp))


async def test_after_a_cancellation_nothing_is_ever_held(
    service: httpx2.AsyncClient, lamp: str, orders_told: Any
) -> None:
    await orders_told.cancelled("o7")
    refused = await hold(service, lamp, "o7")

    assert 410 == refused.status_code
    assert 10 == await stock(service, lamp)


async def test_many_events_at_once_share_few_transactions(
    service: httpx2.AsyncClient, lamp: str, orders_told: Any
) -> None:
    for number in range(5):
        await hold(service, lamp, f"o{number}")
    created = [orders_told.event(ORDER_CREATED, f"o{number}") for number in range(5)]
    cancelled = [orders_told.event(ORDER_CANCELLED, f"o{number}") for number in range(0, 5, 2)]
    await orders_told.send(*created, *cancelled)

    assert 5 == len(await orders_told.answers(5))
    assert 6 == await stock(service, lamp)


async def test_every_version_of_a_product_is_told_and_no_sale(
    admin: httpx2.AsyncClient, service: httpx2.AsyncClient, lamp: str, database: Database
) -> None:
    await admin.patch(f"/products/{lamp}", json={"price": 17.5})
    await admin.patch(f"/products/{lamp}", json={"price": 17.5})
    await hold(service, lamp, "o1")
    await admin.patch(f"/products/{lamp}/stock", json={"quantity": 3})
    await admin.delete(f"/products/{lamp}")

    told = [PRODUCT_CHANGED.read(event) for event in await sent(database, "product.changed")]
    assert [(1, 1, 1990), (2, 2, 1750), (3, 2, 1750)] == [
        (event.sequence, event.data.version, event.data.price.minor) for event in told
    ]
    assert [False, False, True] == [event.data.hidden is True for event in told]


async def sent(database: Database, type_: str) -> list[Any]:
    """The events of a type, in the order of their numbers."""
    rows = await database.fetch_all("SELECT body FROM outbox WHERE type = $1 ORDER BY sequence", type_)
    return [read_envelope(bytes(body)) for (body,) in rows]
