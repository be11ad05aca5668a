"""Placing an order: at products' prices, on products' stock, for the user of the token."""

import asyncio
from typing import Any

import httpx2
import pytest

from atoll import wire
from atoll.events import EventSource, Message
from shop_contracts.events import USER_DELETED, UserDeleted

LAMP = {"items": [{"productId": "lamp", "quantity": 1}]}
TWO_LAMPS = {"items": [{"productId": "lamp", "quantity": 2}]}


async def test_an_order_is_answered_whole_and_is_there(ann: httpx2.AsyncClient) -> None:
    items = [{"productId": "lamp", "quantity": 2}, {"productId": "chair", "quantity": 3}]
    answer = await ann.post("/orders", json={"items": items})
    order = answer.json()
    seen = (await ann.get(f"/orders/{order['id']}")).json()

    assert answer.status_code == 201
    assert order == {
        "id": order["id"],
        "userId": "ann",
        "items": [
            {"productId": "lamp", "name": "Lamp", "quantity": 2, "price": 19.9},
            {"productId": "chair", "name": "Chair", "quantity": 3, "price": 19.9},
        ],
        "totalAmount": 99.5,
        "currency": "EUR",
        "status": "pending",
        "createdAt": "2030-01-01T00:00:00Z",
        "updatedAt": "2030-01-01T00:00:00Z",
    }
    assert order == seen | {"status": "pending"}


async def test_an_order_is_confirmed_by_itself(ann: httpx2.AsyncClient, shelf: Any, eventually: Any) -> None:
    order = (await ann.post("/orders", json=TWO_LAMPS)).json()
    await eventually.status(ann, order["id"], "confirmed")

    assert {order["id"]} == shelf.settled


async def test_an_order_of_any_length_is_one_reservation(ann: httpx2.AsyncClient, shelf: Any) -> None:
    shelf.stock = {f"p{n}": 1 for n in range(100)}
    items = [{"productId": product_id, "quantity": 1} for product_id in shelf.stock]
    answer = await ann.post("/orders", json={"items": items})

    assert answer.status_code == 201
    assert shelf.reserve_calls == 1


async def test_a_buyer_may_say_who_they_are_but_nobody_else(ann: httpx2.AsyncClient) -> None:
    right = await ann.post("/orders", json=TWO_LAMPS | {"userId": "ann"})
    wrong = await ann.post("/orders", json=TWO_LAMPS | {"userId": "bob"})

    assert right.status_code == 201
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "/userId"


async def test_too_little_stock_is_refused_by_name(ann: httpx2.AsyncClient, shelf: Any) -> None:
    answer = await ann.post("/orders", json={"items": [{"productId": "lamp", "quantity": 11}]})

    assert answer.status_code == 400
    assert answer.json()["error"] == "Insufficient stock for product Lamp"
    assert (await ann.get("/orders")).json()["items"] == []
    assert shelf.stock["lamp"] == 10


async def test_a_product_that_is_not_there_is_not_found(ann: httpx2.AsyncClient) -> None:
    answer = await ann.post("/orders", json={"items": [{"productId": "nothing", "quantity": 1}]})

    assert answer.status_code == 404


async def test_while_products_is_away_the_buyer_is_asked_to_come_again(ann: httpx2.AsyncClient, shelf: Any) -> None:
    shelf.away = True
    answer = await ann.post("/orders", json=TWO_LAMPS)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"


async def test_no_order_is_committed_on_a_hold_that_is_about_to_end(ann: httpx2.AsyncClient, shelf: Any) -> None:
    shelf.hold_for *= 0
    answer = await ann.post("/orders", json=TWO_LAMPS)

    assert answer.status_code == 503
    assert (await ann.get("/orders")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/items"),
        ({"items": []}, "/items"),
        ({"items": [{"productId": "lamp", "quantity": 0}]}, "/items/0/quantity"),
        ({"items": [{"productId": "lamp", "quantity": 1.5}]}, "/items/0/quantity"),
        ({"items": [{"productId": "lamp", "quantity": 10_001}]}, "/items/0/quantity"),
        ({"items": [{"productId": "lamp", "quantity": 1, "price": 0.01}]}, "/items/0/price"),
        ({"items": [{"productId": "lamp", "quantity": 1}], "totalAmount": 1}, "/totalAmount"),
        ({"items": [{"productId": f"p{n}", "quantity": 1} for n in range(101)]}, "/items"),
        ({"items": [{"productId": "lamp", "quantity": 1}] * 2}, ""),
    ],
)
async def test_a_mistake_is_told_where_it_is(ann: httpx2.AsyncClient, shelf: Any, body: object, pointer: str) -> None:
    answer = await ann.post("/orders", json=body)

    assert answer.status_code == 422
    assert pointer == answer.json()["errors"][0]["pointer"]
    assert shelf.reserve_calls == 0


async def test_only_users_place_orders(visitors: Any) -> None:
    nobody = await visitors.anyone().post("/orders", json=TWO_LAMPS)
    service = await visitors.service("users").post("/orders", json=TWO_LAMPS)

    assert nobody.status_code == 401
    assert service.status_code == 403


async def test_of_those_who_order_at_once_each_is_answered_by_itself(
    ann: httpx2.AsyncClient, visitors: Any, shelf: Any, eventually: Any
) -> None:
    shelf.stock["lamp"] = 8
    bob = visitors.user("bob")
    answers = await asyncio.gather(*(one.post("/orders", json=LAMP) for one in (ann, bob) for _ in range(5)))
    placed = [answer.json() for answer in answers if answer.status_code == 201]

    assert sorted(answer.status_code for answer in answers) == [201] * 8 + [400] * 2
    for client, buyer in ((ann, "ann"), (bob, "bob")):
        mine = (await client.get("/orders")).json()["items"]
        assert sorted(order["id"] for order in mine) == sorted(o["id"] for o in placed if o["userId"] == buyer)
    for order in placed:
        await eventually.status(ann if order["userId"] == "ann" else bob, order["id"], "confirmed")


async def test_a_buyer_who_is_gone_takes_no_other_with_them(
    ann: httpx2.AsyncClient, visitors: Any, broker: Any, eventually: Any
) -> None:
    bob = visitors.user("bob")
    gone = EventSource("users").event(USER_DELETED, subject="bob", sequence=2, data=UserDeleted(user_id="bob"))
    await broker.publish([Message(gone.type, wire.encode(gone))])
    mine, theirs, another = await asyncio.gather(*(one.post("/orders", json=LAMP) for one in (ann, bob, ann)))

    assert [mine.status_code, theirs.status_code, another.status_code] == [201, 403, 201]
