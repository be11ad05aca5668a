"""The process is killed at every point of a transaction; the same request again finishes what it began, once."""

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import httpx2
import pytest

from atoll.storage import open_database
from atoll.testing.callers import Callers
from atoll.testing.crashing_database import CrashPoint, crash_points
from atoll.testing.service_process import service_process
from shop_products.app import create_app
from shop_products.settings import ProductsSettings

SCRIPT = Path(__file__).with_name("crashing_products.py")
LAMPS = [{"name": f"Lamp {n}", "price": 19.9, "category": "home", "stock": 5} for n in range(2)]
KEY = {"Idempotency-Key": "k"}

Send: TypeAlias = Callable[[httpx2.AsyncClient], Awaitable[httpx2.Response]]

pytestmark = pytest.mark.system


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/products.db"


@pytest.fixture
def admins() -> Callers:
    """Known to the process that dies and to this one."""
    return Callers()


@asynccontextmanager
async def started(file: str, admins: Callers) -> AsyncIterator[httpx2.AsyncClient]:
    """An administrator's client of the service on that file, in this process."""
    service = create_app(ProductsSettings(database_url=file), authenticator=admins.authenticator("products"))
    async with service.running():
        transport = httpx2.ASGITransport(app=service.app)
        yield httpx2.AsyncClient(transport=transport, base_url="http://products", headers=admins.admin())


async def die_in(file: str, admins: Callers, point: CrashPoint, send: Send) -> None:
    """Send a request to a process that is killed at that point of it."""
    command = [sys.executable, str(SCRIPT), str(point), admins.key.to_json()]
    settings = {"port": 0, "database_url": file, "log_format": "json"}
    async with service_process(command, settings) as process:
        await process.ready()
        url = f"http://127.0.0.1:{process.port}"
        async with httpx2.AsyncClient(base_url=url, headers=admins.admin()) as client:
            with pytest.raises(httpx2.TransportError):
                await send(client)
        assert -signal.SIGKILL == (await process.ended()).code


@pytest.mark.parametrize("point", crash_points(statements=7), ids=str)
async def test_products_are_added_once(file: str, admins: Callers, point: CrashPoint) -> None:
    def add(admin: httpx2.AsyncClient) -> Awaitable[httpx2.Response]:
        return admin.post("/products", json=LAMPS, headers=KEY)

    await die_in(file, admins, point, add)
    async with started(file, admins) as admin:
        answers = [await add(admin), await add(admin)]
        page = (await admin.get("/products")).json()

    assert [201, 201] == [answer.status_code for answer in answers]
    assert answers[0].content == answers[1].content
    assert sorted(page["items"], key=lambda item: item["name"]) == answers[0].json()


@pytest.mark.parametrize("point", crash_points(statements=6), ids=str)
async def test_stock_is_changed_once(file: str, admins: Callers, point: CrashPoint) -> None:
    async with started(file, admins) as admin:
        (lamp, _) = (await admin.post("/products", json=LAMPS)).json()

    def change(admin: httpx2.AsyncClient) -> Awaitable[httpx2.Response]:
        return admin.patch(f"/products/{lamp['id']}/stock", json={"quantity": 7}, headers=KEY)

    await die_in(file, admins, point, change)
    async with started(file, admins) as admin:
        answers = [await change(admin), await change(admin)]
    async with open_database(file) as database:
        changes = await database.fetch_all("SELECT change FROM stock_ledger WHERE product_id = $1", lamp["id"])

    assert answers[0].content == answers[1].content
    assert 12 == answers[0].json()["stock"]
    assert [(5,), (7,)] == changes
