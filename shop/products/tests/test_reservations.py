"""Holds of orders: all lines or none, once, and never more than there is."""

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from atoll.testing.callers import Callers
from atoll.testing.clock import ManualClock

HOLD = timedelta(seconds=600)


@pytest.fixture
async def shop(admin: httpx2.AsyncClient) -> dict[str, str]:
    """Ids by name: ten lamps, three chairs, no table."""
    products = [
        {"name": "Lamp", "price": 19.9, "category": "home", "stock": 10},
        {"name": "Chair", "price": 45, "category": "home", "stock": 3},
        {"name": "Table", "price": 99.95, "category": "home"},
    ]
    answer = await admin.post("/products", json=products)
    return {product["name"]: product["id"] for product in answer.json()}


def items(quantities: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"productId": product_id, "quantity": quantity} for product_id, quantity in quantities.items()]


async def reserve(service: httpx2.AsyncClient, order_id: str, quantities: Mapping[str, int]) -> httpx2.Response:
    return await service.post("/reservations", json={"orderId": order_id, "items": items(quantities)})


async def stock(client: httpx2.AsyncClient, product_id: str) -> int:
    return int((await client.get(f"/products/{product_id}")).json()["stock"])


async def state(service: httpx2.AsyncClient, order_id: str) -> str:
    return str((await service.get(f"/reservations/{order_id}")).json()["state"])


async def test_a_reservation_prices_every_line_and_takes_the_stock(
    service: httpx2.AsyncClient, shop: dict[str, str], ledger: Any
) -> None:
    lamp, chair = shop["Lamp"], shop["Chair"]
    answer = await reserve(service, "o1", {lamp: 2, chair: 3})

    assert answer.status_code == 201
    assert answer.json() == {
        "orderId": "o1",
        "state": "held",
        "items": [
            {"productId": lamp, "name": "Lamp", "quantity": 2, "price": 19.9, "version": 1},
            {"productId": chair, "name": "Chair", "quantity": 3, "price": 45.0, "version": 1},
        ],
        "expiresAt": "2030-01-01T00:10:00Z",
    }
    assert await stock(service, lamp) == 8
    assert await stock(service, chair) == 0
    assert await ledger.of(lamp) == [(10, "added", None), (-2, "held", "o1")]


async def test_one_short_line_takes_nothing_and_names_every_short_product(
    service: httpx2.AsyncClient, shop: dict[str, str], ledger: Any
) -> None:
    answer = await reserve(service, "o1", {shop["Chair"]: 4, shop["Lamp"]: 1, shop["Table"]: 1})

    assert answer.status_code == 409
    assert answer.json()["error"] == "Insufficient stock for product Chair, Table"
    assert answer.json()["errors"] == [
        {"pointer": "/items/0/quantity", "detail": "Insufficient stock for product Chair"},
        {"pointer": "/items/2/quantity", "detail": "Insufficient stock for product Table"},
    ]
    assert await stock(service, shop["Lamp"]) == 10
    assert await ledger.mismatches() == []


async def test_a_refusal_is_not_remembered(
    service: httpx2.AsyncClient, admin: httpx2.AsyncClient, shop: dict[str, str]
) -> None:
    refused = await reserve(service, "o1", {shop["Table"]: 1})
    await admin.patch(f"/products/{shop['Table']}/stock", json={"quantity": 1})
    accepted = await reserve(service, "o1", {shop["Table"]: 1})

    assert (refused.status_code, accepted.status_code) == (409, 201)


async def test_an_unknown_or_deleted_product_is_not_found(
    service: httpx2.AsyncClient, admin: httpx2.AsyncClient, shop: dict[str, str]
) -> None:
    await admin.delete(f"/products/{shop['Chair']}")
    answer = await reserve(service, "o1", {shop["Lamp"]: 1, "nothing": 1, shop["Chair"]: 1})

    assert answer.status_code == 404
    assert ["/items/1/productId", "/items/2/productId"] == [error["pointer"] for error in answer.json()["errors"]]
    assert await stock(service, shop["Lamp"]) == 10


async def test_the_same_again_gives_the_same_answer_and_takes_nothing(
    service: httpx2.AsyncClient, admin: httpx2.AsyncClient, shop: dict[str, str], clock: ManualClock
) -> None:
    lamp, chair = shop["Lamp"], shop["Chair"]
    first = await reserve(service, "o1", {lamp: 2, chair: 3})
    await admin.patch(f"/products/{lamp}", json={"price": 1})
    await clock.advance(HOLD.total_seconds() - 1)
    again = await reserve(service, "o1", {chair: 3, lamp: 2})

    assert again.status_code == 201
    assert first.content == again.content
    assert await stock(service, lamp) == 8


async def test_a_settled_order_reserves_the_same_again(
    service: httpx2.AsyncClient, shop: dict[str, str], orders_told: Any
) -> None:
    await reserve(service, "o1", {shop["Lamp"]: 2})
    await orders_told.created("o1")
    again = await reserve(service, "o1", {shop["Lamp"]: 2})

    assert (again.status_code, again.json()["state"]) == (201, "settled")
    assert await stock(service, shop["Lamp"]) == 8


async def test_other_items_for_the_same_order_are_refused(service: httpx2.AsyncClient, shop: dict[str, str]) -> None:
    await reserve(service, "o1", {shop["Lamp"]: 2})
    answer = await reserve(service, "o1", {shop["Lamp"]: 3})

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/items-differ"


async def test_a_hold_that_ran_out_is_made_longer(
    service: httpx2.AsyncClient, shop: dict[str, str], clock: ManualClock, ledger: Any, orders: Any
) -> None:
    orders.away = True
    await reserve(service, "o1", {shop["Lamp"]: 2})
    await clock.advance(HOLD.total_seconds())
    again = await reserve(service, "o1", {shop["Lamp"]: 2})

    assert again.status_code == 201
    assert again.json()["expiresAt"] == "2030-01-01T00:20:00Z"
    assert await ledger.of(shop["Lamp"]) == [(10, "added", None), (-2, "held", "o1")]


async def test_an_expired_hold_is_taken_anew_at_the_price_of_then(
    service: httpx2.AsyncClient, admin: httpx2.AsyncClient, shop: dict[str, str], pass_time: Any, ledger: Any
) -> None:
    lamp = shop["Lamp"]
    await reserve(service, "o1", {lamp: 2})
    await pass_time(HOLD.total_seconds() + 30)
    expired = await state(service, "o1")
    await admin.patch(f"/products/{lamp}", json={"price": 25})
    again = await reserve(service, "o1", {lamp: 2})

    assert expired == "expired"
    assert again.json()["items"][0]["price"] == 25
    assert [(10, "added"), (-2, "held"), (2, "expired"), (-2, "held")] == [
        (change, cause) for change, cause, _ in await ledger.of(lamp)
    ]


async def test_a_release_gives_the_stock_back_once_and_for_good(
    service: httpx2.AsyncClient, shop: dict[str, str], ledger: Any
) -> None:
    lamp = shop["Lamp"]
    await reserve(service, "o1", {lamp: 2})
    releases = [await service.delete("/reservations/o1") for _ in range(3)]
    again = await reserve(service, "o1", {lamp: 2})

    assert [204, 204, 204] == [release.status_code for release in releases]
    assert again.status_code == 410
    assert await ledger.of(lamp) == [(10, "added", None), (-2, "held", "o1"), (2, "released", "o1")]


async def test_a_settled_order_gives_its_stock_back_when_it_is_cancelled(
    service: httpx2.AsyncClient, shop: dict[str, str], orders_told: Any
) -> None:
    await reserve(service, "o1", {shop["Lamp"]: 2})
    await orders_told.created("o1")
    await service.delete("/reservations/o1")

    assert await stock(service, shop["Lamp"]) == 10
    assert await state(service, "o1") == "released"


async def test_a_release_that_comes_first_makes_a_later_reservation_impossible(
    service: httpx2.AsyncClient, shop: dict[str, str]
) -> None:
    await service.delete("/reservations/o1")
    answer = await reserve(service, "o1", {shop["Lamp"]: 2})

    assert answer.status_code == 410
    assert await stock(service, shop["Lamp"]) == 10


async def test_an_order_without_a_reservation_has_none(service: httpx2.AsyncClient) -> None:
    answer = await service.get("/reservations/nothing")

    assert answer.status_code == 404


async def test_only_services_reserve(anyone: httpx2.AsyncClient, callers: Callers) -> None:
    asked = [
        ("POST", "/reservations"),
        ("GET", "/reservations/o1"),
        ("DELETE", "/reservations/o1"),
    ]

    for method, path in asked:
        assert (await anyone.request(method, path)).status_code == 401
        assert (await anyone.request(method, path, headers=callers.admin())).status_code == 403


async def test_a_product_named_twice_is_refused(service: httpx2.AsyncClient, shop: dict[str, str]) -> None:
    twice = [*items({shop["Lamp"]: 1}), *items({shop["Lamp"]: 2})]
    answer = await service.post("/reservations", json={"orderId": "o1", "items": twice})

    assert answer.status_code == 422


async def test_two_hundred_buyers_at_once_get_ten_lamps(
    service: httpx2.AsyncClient, shop: dict[str, str], ledger: Any
) -> None:
    lamp = shop["Lamp"]
    answers = await asyncio.gather(*(reserve(service, f"o{buyer}", {lamp: 1}) for buyer in range(200)))
    statuses = [answer.status_code for answer in answers]

    assert (10, 190) == (statuses.count(201), statuses.count(409))
    assert await stock(service, lamp) == 0
    assert await ledger.mismatches() == []


async def test_orders_that_name_the_same_products_in_opposite_order_never_wait_for_each_other(
    service: httpx2.AsyncClient, admin: httpx2.AsyncClient, ledger: Any
) -> None:
    new = [{"name": f"P{n}", "price": 1, "category": "home", "stock": 1000} for n in range(20)]
    ids = [product["id"] for product in (await admin.post("/products", json=new)).json()]
    orders = [ids if n % 2 else ids[::-1] for n in range(50)]
    answers = await asyncio.gather(
        *(reserve(service, f"o{n}", dict.fromkeys(order, 1)) for n, order in enumerate(orders))
    )

    assert {201} == {answer.status_code for answer in answers}
    assert await ledger.mismatches() == []


async def test_whatever_is_asked_at_once_stock_stays_the_sum_of_its_changes(
    service: httpx2.AsyncClient, admin: httpx2.AsyncClient, shop: dict[str, str], ledger: Any, orders_told: Any
) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret

    def something() -> Any:
        order_id = f"o{chance.randrange(20)}"
        match chance.randrange(5):
            case 0:
                return service.delete(f"/reservations/{order_id}")
            case 3:
                return orders_told.cancelled(order_id)
            case 1:
                return orders_told.created(order_id)
            case 2:
                quantity = chance.choice([-2, -1, 1, 2])
                return admin.patch(f"/products/{shop['Chair']}/stock", json={"quantity": quantity})
            case _:
                return reserve(service, order_id, {shop["Lamp"]: 1, shop["Chair"]: 1})

    answers = await asyncio.gather(*(something() for _ in range(400)))

    assert {200, 201, 204, 409, 410} >= {answer.status_code for answer in answers if answer is not None}
    assert await ledger.mismatches() == []


async def reserve_all(service: httpx2.AsyncClient, wanted: Mapping[str, Mapping[str, int]]) -> list[Any]:
    body = [{"orderId": order_id, "items": items(quantities)} for order_id, quantities in wanted.items()]
    answer = await service.put("/reservations", json=body)

    assert answer.status_code == 200, answer.text
    outcomes: list[Any] = answer.json()
    return outcomes


async def test_several_orders_reserve_in_one_call_each_by_itself(
    service: httpx2.AsyncClient, shop: dict[str, str]
) -> None:
    lamp, chair = shop["Lamp"], shop["Chair"]
    first, short, unknown, second = await reserve_all(
        service, {"o1": {lamp: 2}, "o2": {chair: 4}, "o3": {"nothing": 1}, "o4": {chair: 3, lamp: 1}}
    )

    assert (first["reservation"]["orderId"], second["reservation"]["orderId"]) == ("o1", "o4")
    assert (short["problem"]["type"], short["problem"]["status"]) == ("/problems/insufficient-stock", 409)
    assert (unknown["problem"]["type"], unknown["problem"]["status"]) == ("/problems/product-not-found", 404)
    assert [await stock(service, lamp), await stock(service, chair)] == [7, 0]


async def test_reserving_several_again_is_the_same_answer(service: httpx2.AsyncClient, shop: dict[str, str]) -> None:
    wanted = {"o1": {shop["Lamp"]: 2}, "o2": {shop["Chair"]: 1}}
    first = await reserve_all(service, wanted)
    again = await reserve_all(service, wanted)

    assert first == again
    assert await stock(service, shop["Lamp"]) == 8


async def test_the_last_one_goes_to_one_of_those_who_come_together(
    service: httpx2.AsyncClient, shop: dict[str, str], ledger: Any
) -> None:
    outcomes = await reserve_all(service, {f"o{number}": {shop["Chair"]: 1} for number in range(20)})

    assert [outcome["reservation"] is not None for outcome in outcomes].count(True) == 3
    assert await stock(service, shop["Chair"]) == 0
    assert await ledger.mismatches() == []


@pytest.mark.parametrize("count", [0, 51])
async def test_neither_none_nor_too_many_reserve_at_once(
    service: httpx2.AsyncClient, shop: dict[str, str], count: int
) -> None:
    body = [{"orderId": f"o{number}", "items": items({shop["Lamp"]: 1})} for number in range(count)]

    assert (await service.put("/reservations", json=body)).status_code == 422


async def test_several_that_are_new_are_held_in_one_transaction(
    service: httpx2.AsyncClient, shop: dict[str, str], ledger: Any
) -> None:
    lamp, chair = shop["Lamp"], shop["Chair"]
    outcomes = await reserve_all(service, {"o3": {lamp: 2, chair: 1}, "o1": {lamp: 3}, "o2": {chair: 2, lamp: 5}})

    assert ["o3", "o1", "o2"] == [outcome["reservation"]["orderId"] for outcome in outcomes]
    assert [0, 0] == [await stock(service, lamp), await stock(service, chair)]
    assert [(10, "added", None), (-2, "held", "o3"), (-3, "held", "o1"), (-5, "held", "o2")] == await ledger.of(lamp)
    assert [1, 2, 3, 4] == await ledger.numbers(lamp)
    assert [] == await ledger.mismatches()


async def test_when_there_is_not_enough_for_all_as_many_are_served_as_can_be(
    service: httpx2.AsyncClient, shop: dict[str, str], ledger: Any
) -> None:
    outcomes = await reserve_all(service, {f"o{number}": {shop["Lamp"]: 4} for number in range(3)})

    assert 2 == len([outcome for outcome in outcomes if outcome["reservation"]])
    assert 2 == await stock(service, shop["Lamp"])
    assert [] == await ledger.mismatches()
