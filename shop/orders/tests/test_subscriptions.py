"""What orders does when it hears of stock and of users: in any order, and however often it hears."""

from typing import Any

import httpx2
import pytest

from atoll import wire
from atoll.events import BrokerUnavailable, EventSource, EventType, MemoryBroker, Message
from atoll.events.envelope import read_envelope
from atoll.storage import open_database
from shop_contracts.events import (
    ORDER_CREATED,
    ORDER_MOVED,
    USER_DELETED,
    USER_REGISTERED,
)

TWO_LAMPS = {"items": [{"productId": "lamp", "quantity": 2}]}


@pytest.fixture
async def pending(ann: httpx2.AsyncClient, shelf: Any) -> str:
    """The id of an order of Ann's of which products has not heard."""
    shelf.deaf = True
    return str((await ann.post("/orders", json=TWO_LAMPS)).json()["id"])


async def order(client: httpx2.AsyncClient, order_id: str) -> Any:
    return (await client.get(f"/orders/{order_id}")).json()


async def told(database_url: str, order_id: str) -> list[tuple[str, int]]:
    """Type and sequence of what orders has said of an order."""
    async with open_database(database_url) as database:
        rows = await database.fetch_all("SELECT body FROM outbox ORDER BY added_at, sequence")
    events = [read_envelope(bytes(body)) for (body,) in rows]
    return [(event.type, event.sequence) for event in events if event.subject == order_id]


async def tell_of_user(broker: MemoryBroker, type_: EventType[Any], user_id: str) -> None:
    """Return when orders has acted on it."""
    sequence = 1 if type_ is USER_REGISTERED else 2
    data = type_.data(user_id=user_id)
    event = EventSource("users").event(type_, subject=user_id, sequence=sequence, data=data)
    await broker.publish([Message(event.type, wire.encode(event))])


async def test_an_order_is_told_with_all_that_others_may_need(shelf: Any, pending: str, eventually: Any) -> None:
    shelf.deaf = False
    await eventually.true(lambda: shelf.heard)
    created = ORDER_CREATED.read(shelf.heard[0])

    assert (pending, 1, "orders") == (created.subject, created.sequence, created.source)
    assert (pending, "ann", 3980) == (
        created.data.order_id,
        created.data.user_id,
        created.data.total_amount.minor,
    )
    assert [("lamp", "Lamp", 2, 1990)] == [
        (line.product_id, line.name, line.quantity, line.price.minor) for line in created.data.items
    ]


async def test_stock_that_is_settled_confirms_and_stock_that_is_not_there_cancels(
    ann: httpx2.AsyncClient, shelf: Any, pending: str
) -> None:
    other = (await ann.post("/orders", json=TWO_LAMPS)).json()["id"]
    await shelf.tell(pending, "confirmed")
    await shelf.tell(other, "rejected", "There was a flood.")

    assert ("confirmed", None) == ((found := await order(ann, pending))["status"], found.get("reason"))
    assert ("cancelled", "There was a flood.") == ((found := await order(ann, other))["status"], found["reason"])


@pytest.mark.parametrize("said", ["confirmed", "rejected"])
async def test_whatever_is_said_of_a_cancelled_order_it_stays_so(
    ann: httpx2.AsyncClient, shelf: Any, pending: str, said: str
) -> None:
    await ann.post(f"/orders/{pending}/cancel")
    await shelf.tell(pending, said, "too late")
    found = await order(ann, pending)

    assert ("cancelled", None) == (found["status"], found.get("reason"))


async def test_a_confirmed_order_is_not_cancelled_by_a_word_that_comes_late(
    ann: httpx2.AsyncClient, shelf: Any, pending: str, database_url: str
) -> None:
    for said in ("confirmed", "rejected", "confirmed"):
        await shelf.tell(pending, said, "late")

    assert "confirmed" == (await order(ann, pending))["status"]
    assert [("order.created", 1), ("order.confirmed", 2)] == await told(database_url, pending)


async def test_what_is_said_of_an_order_that_is_not_there_does_nothing(ann: httpx2.AsyncClient, shelf: Any) -> None:
    await shelf.tell("nothing", "confirmed")

    assert 404 == (await ann.get("/orders/nothing")).status_code


async def test_every_move_is_told_with_its_number(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, shelf: Any, pending: str, database_url: str
) -> None:
    await shelf.tell(pending, "confirmed")
    for status in ("shipped", "delivered"):
        await admin.patch(f"/orders/{pending}/status", json={"status": status})
    steps = await told(database_url, pending)

    assert ["order.created", *(f"order.{status}" for status in ("confirmed", "shipped", "delivered"))] == [
        type_ for type_, _ in steps
    ]
    assert [1, 2, 3, 4] == [sequence for _, sequence in steps]
    assert {"confirmed", "cancelled", "shipped", "delivered"} == {*ORDER_MOVED}


async def test_a_user_who_is_gone_places_no_order_and_keeps_those_that_are_there(
    ann: httpx2.AsyncClient, broker: MemoryBroker, shelf: Any, pending: str
) -> None:
    await tell_of_user(broker, USER_DELETED, "ann")
    refused = await ann.post("/orders", json=TWO_LAMPS, headers={"Idempotency-Key": "k"})
    await shelf.tell(pending, "confirmed")

    assert (403, "/problems/account-deleted") == (refused.status_code, refused.json()["type"])
    assert "confirmed" == (await order(ann, pending))["status"]
    assert 1 == len((await ann.get("/orders")).json()["items"])


async def test_a_deletion_that_comes_before_the_registration_stays(
    ann: httpx2.AsyncClient, broker: MemoryBroker
) -> None:
    for type_ in (USER_DELETED, USER_REGISTERED, USER_DELETED):
        await tell_of_user(broker, type_, "ann")

    assert 403 == (await ann.post("/orders", json=TWO_LAMPS)).status_code


async def test_a_user_of_whom_nobody_has_told_can_order(ann: httpx2.AsyncClient, broker: MemoryBroker) -> None:
    await tell_of_user(broker, USER_REGISTERED, "bob")

    assert 201 == (await ann.post("/orders", json=TWO_LAMPS)).status_code


async def test_without_a_broker_orders_are_taken_and_the_service_is_ready(
    ann: httpx2.AsyncClient, broker: MemoryBroker, shelf: Any, eventually: Any
) -> None:
    async def gone(*_: object) -> None:
        raise BrokerUnavailable("switched off")

    publish = broker.publish
    broker.publish = gone  # type: ignore[method-assign,assignment]  # a broker that fails
    placed = await ann.post("/orders", json=TWO_LAMPS)
    ready = await ann.get("/ready")
    broker.publish = publish  # type: ignore[method-assign]  # and is well again
    await eventually.status(ann, placed.json()["id"], "confirmed")

    assert (201, 200) == (placed.status_code, ready.status_code)
