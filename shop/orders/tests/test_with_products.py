"""Orders and products together, each on a socket and a file of its own: what is sold is what there was."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from atoll.events import MemoryBroker
from atoll.storage import open_database
from atoll.testing.callers import Callers
from atoll.testing.serving import serving
from shop_orders import app as orders_app
from shop_orders.settings import OrdersSettings
from shop_products import app as products_app
from shop_products.settings import ProductsSettings


class Shop(NamedTuple):
    """Both services, as an administrator of one and a buyer of the other reach them."""

    admin: httpx2.AsyncClient
    ann: httpx2.AsyncClient
    products_file: Path


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    callers, broker = Callers(), MemoryBroker()
    products = products_app.create_app(
        ProductsSettings(database_url=f"sqlite:///{tmp_path}/products.db"),
        broker=broker,
        authenticator=callers.authenticator("products"),
    )
    async with serving(products) as products_url:
        orders = orders_app.create_app(
            OrdersSettings(database_url=f"sqlite:///{tmp_path}/orders.db", products_url=products_url),
            broker=broker,
            authenticator=callers.authenticator("orders"),
        )
        async with (
            serving(orders) as orders_url,
            httpx2.AsyncClient(base_url=products_url, headers=callers.admin()) as admin,
            httpx2.AsyncClient(base_url=orders_url, headers=callers.user("ann"), timeout=30) as ann,
        ):
            yield Shop(admin, ann, tmp_path / "products.db")


async def stocked(shop: Shop, stock: int, many: int = 1) -> list[str]:
    new = [{"name": f"Lamp {n}", "price": 19.9, "category": "home", "stock": stock} for n in range(many)]
    return [product["id"] for product in (await shop.admin.post("/products", json=new)).json()]


async def order(shop: Shop, product_ids: list[str], quantity: int = 1, *, key: str | None = None) -> httpx2.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    items = [{"productId": product_id, "quantity": quantity} for product_id in product_ids]
    return await shop.ann.post("/orders", json={"items": items}, headers=headers)


async def stock(shop: Shop, product_id: str) -> int:
    return int((await shop.admin.get(f"/products/{product_id}")).json()["stock"])


async def reach(shop: Shop, order_id: str, status: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            order: dict[str, Any] = (await shop.ann.get(f"/orders/{order_id}")).json()
            if order["status"] == status:
                return order
            await asyncio.sleep(0.005)


async def reach_stock(shop: Shop, product_id: str, wanted: int) -> None:
    async with asyncio.timeout(10):
        while await stock(shop, product_id) != wanted:  # noqa: ASYNC110 - as a client
            await asyncio.sleep(0.005)


async def test_an_order_is_placed_confirmed_and_cancelled(shop: Shop) -> None:
    (lamp,) = await stocked(shop, 10)
    placed = (await order(shop, [lamp], 3)).json()
    confirmed = await reach(shop, placed["id"], "confirmed")
    taken = await stock(shop, lamp)
    await shop.ann.post(f"/orders/{placed['id']}/cancel")
    await reach_stock(shop, lamp, 10)

    assert confirmed["totalAmount"] == 59.7
    assert confirmed["items"] == [{"productId": lamp, "name": "Lamp 0", "quantity": 3, "price": 19.9}]
    assert taken == 7


async def test_refusals_come_in_the_words_of_products(shop: Shop) -> None:
    (lamp,) = await stocked(shop, 1)
    short = await order(shop, [lamp], 2)
    unknown = await order(shop, ["nothing"])

    assert (short.status_code, short.json()["error"]) == (400, "Insufficient stock for product Lamp 0")
    assert [{"pointer": "/items/0/quantity", "detail": "Insufficient stock for product Lamp 0"}] == short.json()[
        "errors"
    ]
    assert (unknown.status_code, unknown.json()["error"]) == (404, "Product nothing not found")


async def test_two_hundred_buyers_at_once_get_ten_lamps(shop: Shop) -> None:
    (lamp,) = await stocked(shop, 10)
    answers = await asyncio.gather(*(order(shop, [lamp], key=f"k{buyer}") for buyer in range(200)))
    placed = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    for order_id in placed:
        await reach(shop, order_id, "confirmed")

    assert {201, 400} == {answer.status_code for answer in answers}
    assert 10 == len(placed)
    assert await stock(shop, lamp) == 0


async def test_one_key_at_once_is_one_order_and_one_hold(shop: Shop) -> None:
    lamps = await stocked(shop, 10, many=3)
    answers = await asyncio.gather(*(order(shop, lamps, key="k") for _ in range(20)))

    assert 1 == len({answer.content for answer in answers})
    assert [9, 9, 9] == [await stock(shop, lamp) for lamp in lamps]


async def test_the_ledger_tells_the_same_as_the_orders(shop: Shop) -> None:
    lamps = await stocked(shop, 40, many=4)
    answers = await asyncio.gather(*(order(shop, lamps[::-1] if n % 2 else lamps) for n in range(60)))
    placed = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    for order_id in placed:
        await reach(shop, order_id, "confirmed")
    for order_id in placed[:7]:
        await shop.ann.post(f"/orders/{order_id}/cancel")
    await reach_stock(shop, lamps[0], 7)
    async with open_database(f"sqlite:///{shop.products_file}") as database:
        sums = await database.fetch_all("SELECT product_id, sum(change) FROM stock_ledger GROUP BY product_id")
        states = await database.fetch_all("SELECT state, count(*) FROM reservations GROUP BY state ORDER BY state")

    assert dict.fromkeys(lamps, 7) == dict(sums)
    assert [("released", 7), ("settled", 33)] == states


async def test_without_products_the_buyer_is_asked_to_come_again(tmp_path: Path) -> None:
    callers = Callers()
    orders = orders_app.create_app(
        OrdersSettings(database_url=f"sqlite:///{tmp_path}/orders.db", products_url="http://127.0.0.1:1"),
        broker=MemoryBroker(),
        authenticator=callers.authenticator("orders"),
    )
    async with (
        serving(orders) as url,
        httpx2.AsyncClient(base_url=url, headers=callers.user("ann"), timeout=30) as ann,
    ):
        answer = await ann.post("/orders", json={"items": [{"productId": "lamp", "quantity": 1}]})

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
