"""A shop moves from SQLite to PostgreSQL and back: row by row the same, and everybody goes on as before."""

import asyncio
import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.shopping import SYSTEM_FILE, Person, Shop, open_shop

from atoll.lifecycle import StartFailed
from atoll.runner.embedded_postgres.binaries import binaries

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

SERVICES = ("orders", "products", "users")
ON_POSTGRES = ("--database", "postgresql")


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


async def atoll(data: Path, *words: str) -> tuple[int, str]:
    """The exit code of a command, and what it printed on a terminal."""
    screen, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "atoll.cli", *words),
        env={**os.environ, "ATOLL_DATA": str(data), "ATOLL_FILE": str(SYSTEM_FILE), "TERM": "xterm", "COLUMNS": "200"},
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    printed = await asyncio.to_thread(_all_of, screen)
    return await process.wait(), printed


def _all_of(screen: int) -> str:
    printed = b""
    with os.fdopen(screen, "rb", buffering=0) as file:
        try:
            while chunk := file.read(65536):
                printed += chunk
        except OSError:  # how Linux tells that nobody writes there any more
            pass
    return printed.decode()


async def move(data: Path, folder: Path, *, to: str) -> None:
    """Out of one engine, and into the other; which then gives the same rows, whatever their order."""
    there, again = folder / f"to-{to}", folder / f"again-from-{to}"
    for command in (
        ("export", str(there)),
        ("import", "--database", to, str(there)),
        ("export", "--database", to, str(again)),
    ):
        code, printed = await atoll(data, "data", *command)
        assert code == 0, printed
        assert "━" in printed, "how far it is"
    for service in SERVICES:
        assert _lines(there / f"{service}.jsonl") == _lines(again / f"{service}.jsonl"), service


def _lines(file: Path) -> list[str]:
    return sorted(file.read_text(encoding="utf-8").split("\n"))


async def test_a_shop_moves_to_the_other_engine_and_back(folder: Path) -> None:
    data = folder / "data"
    async with open_shop(data) as shop:
        customer, product = await shop.customer(), await shop.product(stock=10)
        first = (await customer.order(product, quantity=3, key="first")).content
        busy_code, busy = await atoll(data, "data", "export", str(folder / "busy"))

    await move(data, folder, to="postgresql")
    async with open_shop(data, options=ON_POSTGRES) as shop:
        assert (first, 6) == await goes_on(shop, customer, product)
    verified = await atoll(data, "verify")
    used = await atoll(data, "data", "import", "--database", "sqlite", str(folder / "to-postgresql"))

    for file in data.glob("*.db*"):
        file.unlink()
    await move(data, folder, to="sqlite")
    async with open_shop(data, options=["--database", "sqlite"]) as shop:
        assert (first, 5) == await goes_on(shop, customer, product)

    assert (1, True) == (busy_code, "is in use by another `atoll up`" in busy)
    assert (0, True) == (verified[0], "no resale" in verified[1]), verified[1]
    assert (1, True) == (used[0], "The database is in use: there is data in" in used[1])


async def goes_on(shop: Shop, customer: Person, product: str) -> tuple[bytes, int]:
    """The customer, signed in as before, repeats the first order and places another: the old answer, and the stock."""
    again = Person(shop.http, customer.token, customer.id)
    repeated = await again.order(product, quantity=3, key="first")
    placed = (await again.order(product)).json()["id"]

    assert ["confirmed"] * 2 == await shop.until_settled(again, [placed, repeated.json()["id"]])
    return repeated.content, await again.stock_of(product)
