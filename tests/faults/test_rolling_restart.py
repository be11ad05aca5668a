"""Every service is restarted under load, one instance after the other, and nobody notices."""

import asyncio
import sys
from pathlib import Path

import pytest
from tests.shopping import SYSTEM_FILE, Person, open_shop

pytestmark = pytest.mark.system

SCALED = ("users", "products", "orders")
CALLERS = 4
PAUSE = 0.05
"""Seconds between two orders of a customer, so that nobody meets a rate limit."""


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


async def test_a_rolling_restart_loses_no_request(tmp_path: Path) -> None:
    options = [word for name in SCALED for word in ("--scale", f"{name}=2")]
    async with open_shop(tmp_path, options=options) as shop:
        customers = [await shop.customer() for _ in range(CALLERS)]
        product = await shop.product(stock=1_000_000)
        pids = set(shop.system.pids())
        restarted = asyncio.Event()
        answers: list[str] = []

        async def load(customer: Person) -> None:
            while not restarted.is_set():
                await asyncio.sleep(PAUSE)
                order = await customer.order(product)
                product_page = await customer.call("GET", f"/api/products/{product}")
                for answer in (order, product_page):
                    answers.append(
                        str(answer.status_code) if answer.is_success else f"{answer.status_code} {answer.text}"
                    )

        callers = [asyncio.create_task(load(customer)) for customer in customers]
        printed = await restart(shop.system.data, *SCALED, "registry")
        restarted.set()
        await asyncio.gather(*callers)

        assert {answer for answer in answers if answer not in {"200", "201"}} == set()
        assert len(answers) > 100
        assert printed.count("is up again") == 2 * len(SCALED) + 1
        assert len(pids & set(shop.system.pids())) == 2  # the gateway's and the broker's
