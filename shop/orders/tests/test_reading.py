"""Who sees which orders, and page by page."""

from typing import Any

import httpx2
import pytest

LAMP = {"items": [{"productId": "lamp", "quantity": 1}]}


async def placed(client: httpx2.AsyncClient) -> str:
    return str((await client.post("/orders", json=LAMP)).json()["id"])


async def test_someone_elses_order_answers_like_one_that_does_not_exist(ann: httpx2.AsyncClient, visitors: Any) -> None:
    order_id = await placed(ann)
    bob = visitors.user("bob")
    theirs = await bob.get(f"/orders/{order_id}")
    missing = await bob.get("/orders/nothing")

    assert (theirs.status_code, missing.status_code) == (404, 404)
    assert theirs.json()["error"] == f"Order {order_id} not found"
    assert missing.json()["error"] == "Order nothing not found"


async def test_administrators_and_services_see_every_order(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, visitors: Any
) -> None:
    order_id = await placed(ann)

    for client in (admin, visitors.service("products")):
        assert (await client.get(f"/orders/{order_id}")).json()["userId"] == "ann"
        assert (await client.get("/users/ann/orders")).json()["items"][0]["id"] == order_id


async def test_services_only_read(ann: httpx2.AsyncClient, visitors: Any) -> None:
    order_id = await placed(ann)
    service = visitors.service("ann")
    cancelled = await service.post(f"/orders/{order_id}/cancel")
    followed = await service.get(f"/orders/{order_id}/events")

    assert [404, 404] == [cancelled.status_code, followed.status_code]


async def test_a_user_sees_their_own_orders_newest_first(
    ann: httpx2.AsyncClient, visitors: Any, clock: Any, shelf: Any
) -> None:
    shelf.deaf = True  # so that the orders stay as they are between two looks
    ids = []
    for _ in range(3):
        ids.append(await placed(ann))
        await clock.advance(1)
    await placed(visitors.user("bob"))
    mine = (await ann.get("/orders")).json()
    by_user = (await ann.get("/users/ann/orders")).json()

    assert ids[::-1] == [order["id"] for order in mine["items"]]
    assert mine["nextCursor"] is None
    assert mine == by_user


async def test_pages_hold_every_order_once_although_new_ones_come(ann: httpx2.AsyncClient, clock: Any) -> None:
    before = [await placed(ann) for _ in range(5)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await ann.get("/orders", params=query)).json()
        found += [order["id"] for order in page["items"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
        await clock.advance(1)
        await placed(ann)

    assert 5 == len(found)
    assert {*before} == {*found}


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"status": "pending"}])
async def test_a_bad_parameter_is_refused(ann: httpx2.AsyncClient, query: dict[str, str]) -> None:
    assert (await ann.get("/orders", params=query)).status_code == 422


async def test_the_orders_of_someone_else_are_not_found(ann: httpx2.AsyncClient) -> None:
    assert (await ann.get("/users/bob/orders")).status_code == 404


async def test_nobody_sees_orders_without_a_token(visitors: Any) -> None:
    for url in ("/orders", "/orders/x", "/users/ann/orders"):
        assert (await visitors.anyone().get(url)).status_code == 401
