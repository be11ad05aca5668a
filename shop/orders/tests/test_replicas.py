"""Three replicas of orders and of products, each on a socket of its own, over one PostgreSQL server and one broker."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

from atoll.events import MemoryBroker
from atoll.storage import Database, open_database, open_read_only
from atoll.testing.callers import Callers
from atoll.testing.eventually import eventually
from atoll.testing.postgres_server import new_database
from atoll.testing.serving import serving
from shop_orders import app as orders_app
from shop_orders.settings import OrdersSettings
from shop_products import app as products_app
from shop_products.settings import ProductsSettings

REPLICAS = 3


@dataclass
class Shop:
    """Clients of the replicas, asked in turn."""

    admins: Sequence[httpx2.AsyncClient]
    buyers: Sequence[httpx2.AsyncClient]
    products: Database
    orders: Database

    def __post_init__(self) -> None:
        self._next_admin = itertools.cycle(self.admins)
        self._next_buyer = itertools.cycle(self.buyers)

    async def stocked(self, *stocks: int) -> list[str]:
        new = [{"name": f"Lamp {n}", "price": 19.9, "category": "home", "stock": n} for n in stocks]
        return [product["id"] for product in (await next(self._next_admin).post("/products", json=new)).json()]

    async def order(self, *product_ids: str, key: str = "") -> httpx2.Response:
        items = [{"productId": product_id, "quantity": 1} for product_id in product_ids]
        headers = {"Idempotency-Key": key} if key else {}
        return await next(self._next_buyer).post("/orders", json={"items": items}, headers=headers)

    async def cancel(self, order_id: str) -> httpx2.Response:
        return await next(self._next_buyer).post(f"/orders/{order_id}/cancel")

    async def has_stock(self, stocks: Mapping[str, int]) -> bool:
        return stocks == {product_id: await self.stock(product_id) for product_id in stocks}

    async def stock(self, product_id: str) -> int:
        return int((await next(self._next_admin).get(f"/products/{product_id}")).json()["stock"])

    async def is_quiet(self) -> bool:
        """Whether every order is decided."""
        return await self.orders.fetch_one("SELECT 1 FROM orders WHERE status = 'pending' LIMIT 1") is None

    async def states(self) -> Counter[str]:
        return Counter(dict(await self.orders.fetch_all("SELECT status, count(*) FROM orders GROUP BY status")))


@pytest.fixture
def urls(postgres_server_url: str) -> Iterator[tuple[str, str]]:
    """A database of products, and one of orders."""
    with new_database(postgres_server_url) as products, new_database(postgres_server_url) as orders:
        yield products, orders


@pytest.fixture
async def shop(urls: tuple[str, str]) -> AsyncIterator[Shop]:
    async with open_shop(*urls) as shop:
        yield shop


@asynccontextmanager
async def open_shop(products_database: str, orders_database: str) -> AsyncIterator[Shop]:
    callers, broker = Callers(), MemoryBroker()
    async with AsyncExitStack() as held:
        admins, buyers = [], []
        for _ in range(REPLICAS):
            products = products_app.create_app(
                ProductsSettings(database_url=products_database, port=0),
                broker=broker,
                authenticator=callers.authenticator("products"),
            )
            products_url = await held.enter_async_context(serving(products))
            orders = orders_app.create_app(
                OrdersSettings(database_url=orders_database, products_url=products_url, port=0),
                broker=broker,
                authenticator=callers.authenticator("orders"),
            )
            orders_url = await held.enter_async_context(serving(orders))
            admin = httpx2.AsyncClient(base_url=products_url, headers=callers.admin(), timeout=60)
            buyer = httpx2.AsyncClient(base_url=orders_url, headers=callers.user("ann"), timeout=60)
            admins.append(await held.enter_async_context(admin))
            buyers.append(await held.enter_async_context(buyer))
        yield Shop(
            admins,
            buyers,
            await held.enter_async_context(open_database(products_database)),
            await held.enter_async_context(open_database(orders_database)),
        )


async def test_of_200_buyers_exactly_as_many_buy_as_there_are_units(shop: Shop) -> None:
    (lamp,) = await shop.stocked(10)

    answers = await asyncio.gather(*(shop.order(lamp) for _ in range(200)))

    assert Counter({201: 10, 400: 190}) == Counter(answer.status_code for answer in answers)
    await eventually(shop.is_quiet)
    assert Counter(confirmed=10) == await shop.states()
    assert 0 == await shop.stock(lamp)


async def deadlocks(url: str) -> int:
    """How many the server has met in a database whose sessions have ended: each tells its own when it ends."""
    async with open_read_only(url) as database:
        row = await database.fetch_one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert row is not None
        return int(row[0])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounds", [200, pytest.param(1000, marks=pytest.mark.faults)])
async def test_rounds_of_opposite_orders_never_meet_in_a_deadlock(urls: tuple[str, str], rounds: int) -> None:
    at_once = asyncio.Semaphore(8)

    async def opposite() -> set[int]:
        async with at_once:
            answers = await asyncio.gather(shop.order(one, other), shop.order(other, one))
            return {answer.status_code for answer in answers}

    async with open_shop(*urls) as shop:
        one, other = await shop.stocked(2 * rounds, 2 * rounds)

        assert {201} == set().union(*await asyncio.gather(*(opposite() for _ in range(rounds))))
        await eventually(shop.is_quiet, within=60)
        assert (0, 0) == (await shop.stock(one), await shop.stock(other))
        assert Counter(confirmed=2 * rounds) == await shop.states()
    assert [0, 0] == [await deadlocks(url) for url in urls]


@pytest.mark.timeout(120)
async def test_cancelling_many_orders_while_others_are_placed_meets_no_deadlock(urls: tuple[str, str]) -> None:
    at_once = asyncio.Semaphore(32)

    async with open_shop(*urls) as shop:

        async def place(product: str) -> httpx2.Response:
            async with at_once:
                return await shop.order(product)

        async def cancel(placed: httpx2.Response) -> int:
            async with at_once:
                return (await shop.cancel(placed.json()["id"])).status_code

        lamps = await shop.stocked(*[1000] * 8)
        of_each = lamps * 25
        placed = await asyncio.gather(*(place(lamp) for lamp in of_each))
        cancelled = asyncio.gather(*(cancel(each) for each in placed))
        kept = await asyncio.gather(*(place(lamp) for lamp in reversed(of_each)))

        assert {200} == set(await cancelled)
        assert {201} == {each.status_code for each in (*placed, *kept)}
        await eventually(shop.is_quiet, within=60)
        await eventually(lambda: shop.has_stock(dict.fromkeys(lamps, 975)), within=60)
    assert [0, 0] == [await deadlocks(url) for url in urls]


async def test_fifty_requests_with_one_key_over_all_replicas_make_one_order(shop: Shop) -> None:
    (lamp,) = await shop.stocked(100)

    answers = await asyncio.gather(*(shop.order(lamp, key="the-same") for _ in range(50)))

    assert {201, 409, 503} >= {answer.status_code for answer in answers}
    assert 1 == len({answer.content for answer in answers if answer.status_code == 201})
    await eventually(shop.is_quiet)
    assert Counter(confirmed=1) == await shop.states()
    assert 99 == await shop.stock(lamp)


async def test_replicas_that_start_at_once_bring_up_the_schema_together(urls: tuple[str, str]) -> None:
    async def start() -> None:
        service = products_app.create_app(
            ProductsSettings(database_url=urls[0]), authenticator=Callers().authenticator("products")
        )
        async with service.running():
            pass

    await asyncio.gather(*(start() for _ in range(5)))
