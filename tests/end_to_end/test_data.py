"""A shop moves from SQLite to PostgreSQL and back, and nobody loses anything."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.shopping import Person, Shop, open_shop

from atoll.lifecycle import StartFailed
from atoll.runner.embedded_postgres.binaries import binaries

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the account of the server can enter, even if the tests run as root."""
    try:
        binaries()
    except StartFailed as missing:
        pytest.skip(f"no PostgreSQL here: {missing}")
    with TemporaryDirectory(prefix="atoll-move-") as name:
        os.chmod(name, 0o711)  # noqa: S103 - to pass through, not to read
        yield Path(name)


async def atoll(*words: str) -> tuple[int, str]:
    """The exit code of a command, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "atoll.cli", *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_a_shop_moves_to_the_other_engine_and_back(folder: Path) -> None:
    data, first, second = folder / "data", str(folder / "first"), str(folder / "second")
    async with open_shop(data) as shop:
        customer, product = await shop.customer(), await shop.product(stock=10)
        order_id = (await customer.order(product, quantity=3)).json()["id"]
        await shop.until_settled(customer, [order_id])
        busy_code, busy = await atoll("data", "export", "--data", str(data), first)

    outcomes = [
        await atoll("data", "export", "--data", str(data), first),
        await atoll("data", "import", "--data", str(data), "--database", "postgresql", first),
    ]
    async with open_shop(data, options=["--database", "postgresql"]) as shop:
        moved = await look(shop, customer, order_id, product)
    outcomes += [
        await atoll("verify", "--data", str(data)),
        await atoll("data", "export", "--data", str(data), second),
        await atoll("data", "import", "--data", str(data), "--database", "sqlite", first),
        await atoll("data", "import", "--data", str(folder / "elsewhere"), "--database", "sqlite", second),
        await atoll("verify", "--data", str(folder / "elsewhere")),
    ]

    assert (1, True) == (busy_code, "is in use by another `atoll up`" in busy)
    assert [0, 0, 0, 0, 1, 0, 0] == [code for code, _ in outcomes], outcomes
    assert "in use: there is data in" in outcomes[4][1]
    assert ("confirmed", 7) == moved


async def look(shop: Shop, customer: Person, order_id: str, product: str) -> tuple[str, int]:
    """What the customer, signed in as before, sees of the order and of the product."""
    again = Person(shop.http, customer.token, customer.id)
    order = await again.ask("GET", f"/api/orders/{order_id}")
    return order["status"], await again.stock_of(product)
