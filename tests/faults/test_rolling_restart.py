"""Every service is restarted under load, one instance after the other, and nobody notices."""

import asyncio
import sys
from pathlib import Path

import pytest
from tests.shopping import SYSTEM_FILE, Person, Shop, open_shop

pytestmark = pytest.mark.system

SEVERAL = ("products",)
ONE_EACH = ("users", "orders")
CALLERS = 4
PAUSE = 0.05
"""Seconds between two orders of a customer, so that a machine of two processors has time for the restarts as well."""


async def restart(data: Path, *services: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "atoll.cli", "restart", "--data", str(data), *services),
        cwd=SYSTEM_FILE.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


class Load:
    """Customers who order and look, until they are told to stop; and what they were answered."""

    def __init__(self, customers: list[Person], product: str) -> None:
        self.answers: list[str] = []
        self._customers = customers
        self._product = product
        self._enough = asyncio.Event()

    @property
    def bad_answers(self) -> set[str]:
        return {answer for answer in self.answers if answer not in {"200", "201"}}

    async def run(self) -> None:
        await asyncio.gather(*(self._shop(customer) for customer in self._customers))

    def stop(self) -> None:
        self._enough.set()

    async def _shop(self, customer: Person) -> None:
        while not self._enough.is_set():
            await asyncio.sleep(PAUSE)
            order = await customer.order(self._product)
            page = await customer.call("GET", f"/api/products/{self._product}")
            account = await customer.call("GET", f"/api/users/{customer.id}")
            for answer in (order, page, account):
                words = "" if answer.is_success else answer.text
                self.answers.append(f"{answer.status_code} {words}".strip())


async def load_of(shop: Shop) -> Load:
    customers = [await shop.customer() for _ in range(CALLERS)]
    return Load(customers, await shop.product(stock=1_000_000))


OPTIONS = [word for name in SEVERAL for word in ("--scale", f"{name}=2")]


async def test_a_rolling_restart_loses_no_request(tmp_path: Path) -> None:
    async with open_shop(tmp_path, options=OPTIONS) as shop:
        load = await load_of(shop)
        pids = set(shop.system.pids())
        loading = asyncio.create_task(load.run())
        printed = await restart(shop.system.data, "orders", *SEVERAL, "registry", "gateway")
        load.stop()
        await loading

        assert load.bad_answers == set()
        assert len(load.answers) > 100
        assert printed.count("is up again") == 5
        assert printed.count("stands in for orders") == 1
        assert "Nobody stands in for registry: there can be only one registry" in printed
        assert "Nobody stands in for gateway: whoever connects meanwhile waits at its door" in printed
        assert len(pids - set(shop.system.pids())) == 5


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_not_one_of_ten_thousand_requests_is_lost(tmp_path: Path) -> None:
    async with open_shop(tmp_path, options=OPTIONS) as shop:
        load = await load_of(shop)
        loading = asyncio.create_task(load.run())
        rounds = 0
        while len(load.answers) < 10_000 and not load.bad_answers:
            await restart(shop.system.data, *ONE_EACH, *SEVERAL, "registry", "gateway")
            rounds += 1
        load.stop()
        await loading

        assert load.bad_answers == set()
        assert len(load.answers) >= 10_000
        assert rounds > 1
