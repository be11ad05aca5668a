"""The process is killed at every point of an order's transaction; the same request again makes one order of it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from atoll.events import MemoryBroker
from atoll.testing.callers import Callers
from atoll.testing.crashing_database import CrashPoint, crash_points
from atoll.testing.service_process import service_process
from atoll.testing.serving import serving
from shop_orders import app as orders_app
from shop_orders.settings import OrdersSettings
from shop_products import app as products_app
from shop_products.settings import ProductsSettings

SCRIPT = Path(__file__).with_name("crashing_orders.py")
LAMP = {"name": "Lamp", "price": 19.9, "category": "home", "stock": 10}
KEY = {"Idempotency-Key": "k"}

pytestmark = pytest.mark.system


@pytest.fixture
def callers() -> Callers:
    """Known to the process that dies and to this one."""
    return Callers()


@pytest.fixture
def broker() -> MemoryBroker:
    """The process that dies has none: what it says waits for the next start."""
    return MemoryBroker()


@pytest.fixture
async def products(tmp_path: Path, callers: Callers, broker: MemoryBroker) -> AsyncIterator[httpx2.AsyncClient]:
    """An administrator's client of the products service, which does not die."""
    service = products_app.create_app(
        ProductsSettings(database_url=f"sqlite:///{tmp_path}/products.db"),
        broker=broker,
        authenticator=callers.authenticator("products"),
    )
    async with serving(service) as url, httpx2.AsyncClient(base_url=url, headers=callers.admin()) as admin:
        yield admin


@pytest.mark.parametrize("point", crash_points(statements=3), ids=str)
async def test_an_order_is_placed_once_and_its_stock_taken_once(
    tmp_path: Path, callers: Callers, broker: MemoryBroker, products: httpx2.AsyncClient, point: CrashPoint
) -> None:
    lamp = (await products.post("/products", json=LAMP)).json()
    wanted = {"items": [{"productId": lamp["id"], "quantity": 3}]}
    file, url = f"sqlite:///{tmp_path}/orders.db", str(products.base_url).rstrip("/")
    command = [sys.executable, str(SCRIPT), str(point), callers.key.to_json()]
    settings = {"port": 0, "database_url": file, "log_format": "json", "products_url": url}
    async with service_process(command, settings) as process:
        await process.ready()
        at_the_process = f"http://127.0.0.1:{process.port}"
        async with httpx2.AsyncClient(base_url=at_the_process, headers=callers.user("ann")) as ann:
            with pytest.raises(httpx2.TransportError):
                await ann.post("/orders", json=wanted, headers=KEY)
        assert -signal.SIGKILL == (await process.ended()).code

    orders = orders_app.create_app(
        OrdersSettings(database_url=file, products_url=url),
        broker=broker,
        authenticator=callers.authenticator("orders"),
    )
    async with orders.running():
        transport = httpx2.ASGITransport(app=orders.app)
        ann = httpx2.AsyncClient(transport=transport, base_url="http://orders", headers=callers.user("ann"))
        answers = [await ann.post("/orders", json=wanted, headers=KEY) for _ in range(2)]
        confirmed = await until_confirmed(ann)

    assert [201, 201] == [answer.status_code for answer in answers]
    assert answers[0].content == answers[1].content
    assert [answers[0].json()["id"]] == [order["id"] for order in confirmed]
    assert 7 == (await products.get(f"/products/{lamp['id']}")).json()["stock"]


async def until_confirmed(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """All orders, once none is pending."""
    async with asyncio.timeout(10):
        while True:
            orders: list[dict[str, Any]] = (await client.get("/orders")).json()["items"]
            if all(order["status"] == "confirmed" for order in orders):
                return orders
            await asyncio.sleep(0.005)
