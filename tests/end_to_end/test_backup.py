"""A shop is backed up while people order, and restored: with the commands of the guide, on each engine."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.shopping import SYSTEM_FILE, Person, Shop, open_shop

from atoll.lifecycle import StartFailed
from atoll.runner.databases import EMBEDDED, SERVER
from atoll.runner.embedded_postgres.binaries import binaries
from atoll.testing.system import running_system

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

GUIDE = SYSTEM_FILE.parents[1] / "docs" / "guides" / "databases.md"
BUYERS = 3
STOCK = 1_000_000


def commands_below(heading: str) -> str:
    """Those of the guide below `heading`."""
    part = GUIDE.read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    found = re.search(r"```sh\n(.*?)```", part, re.DOTALL)
    assert found, f"the guide has no commands below {heading!r}"
    return found[1]


async def follow(heading: str, data: Path) -> None:
    """Run what the guide says, beside the data folder, as somebody does who stops at the first mistake."""
    programs = data.parent / ".venv"
    if not programs.is_symlink():
        programs.symlink_to(sys.prefix)
    environment = {**os.environ, "ATOLL_FILE": str(SYSTEM_FILE), "PATH": f"{postgres_programs()}:{os.environ['PATH']}"}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", commands_below(heading)),
        cwd=data.parent,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()


def postgres_programs() -> str:
    try:
        return str(binaries())
    except StartFailed:
        return "."


@asynccontextmanager
async def people_ordering(shop: Shop, product: str) -> AsyncIterator[list[Person]]:
    """Within, these people place one order after the other."""
    customers = [await shop.customer() for _ in range(BUYERS)]

    async def buy(customer: Person) -> None:
        while True:
            assert (await customer.order(product)).status_code == 201

    buying = [asyncio.create_task(buy(customer)) for customer in customers]
    try:
        yield customers
    finally:
        for task in buying:
            task.cancel()
        outcomes = await asyncio.gather(*buying, return_exceptions=True)
    assert {asyncio.CancelledError} == {type(outcome) for outcome in outcomes}, outcomes


async def orders_of(customer: Person) -> list[str]:
    """The ids of all orders that the customer has."""
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await customer.ask("GET", f"/api/orders?limit=200{cursor and f'&cursor={cursor}'}")
        ids += [order["id"] for order in page["items"]]
        cursor = page["nextCursor"]
    return ids


@asynccontextmanager
async def databases_alone(keeping: Any) -> AsyncIterator[None]:
    """Within, a server of the system's own runs, and no service."""
    async with AsyncExitStack() as held:
        if EMBEDDED in keeping.options:
            options = [*keeping.options, "--only", SERVER]
            await held.enter_async_context(running_system(SYSTEM_FILE, keeping.data, options=options))
        yield


async def test_what_was_there_when_a_backup_began_is_there_after_a_restore_and_nothing_is_oversold(
    keeping: Any,
) -> None:
    engine = "PostgreSQL" if keeping.options else "SQLite"
    async with open_shop(keeping.data, options=keeping.options) as shop:
        customer, product = await shop.customer(), await shop.product(stock=STOCK)
        before = [str((await customer.order(product, key=f"key-{n}")).json()["id"]) for n in range(3)]
        async with people_ordering(shop, product) as buyers:
            await follow(f"Back up {engine} while it runs", keeping.data)
        after = str((await customer.order(product, key="too-late")).json()["id"])
        await shop.until_settled(customer, [after])

    async with databases_alone(keeping):
        await follow(f"Restore {engine}", keeping.data)

    async with open_shop(keeping.data, options=keeping.options) as shop:
        buyers, customer = [Person(shop.http, person.token) for person in buyers], Person(shop.http, customer.token)
        assert set(before) == set(await orders_of(customer))
        assert before == [(await customer.order(product, key=f"key-{n}")).json()["id"] for n in range(3)]
        assert 201 == (await customer.order(product)).status_code
        bought = {person.token: await orders_of(person) for person in [customer, *buyers]}
        for person in [customer, *buyers]:
            assert {"confirmed"} >= set(await shop.until_settled(person, bought[person.token]))
        assert STOCK - await customer.stock_of(product) >= sum(len(ids) for ids in bought.values())
