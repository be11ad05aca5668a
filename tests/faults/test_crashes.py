"""Processes are killed while people order; nothing that was promised to them is lost."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from tests.shopping import Person, open_shop

pytestmark = pytest.mark.system

BUYERS = 8
CRASHES = ("orders", "products", "gateway", "orders", "products")


async def buy_until(done: asyncio.Event, customer: Person, product: str) -> Counter[str]:
    """Buy again and again, repeating with the same key what was not answered, as a good client does."""
    outcomes: Counter[str] = Counter()
    number = 0
    while not done.is_set():
        number += 1
        order_id = await buy_one(customer, product, f"order-{number}", outcomes)
        outcomes[f"id {order_id}"] += 1
    return outcomes


async def buy_one(customer: Person, product: str, key: str, outcomes: Counter[str]) -> str:
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await customer.order(product, key=key)
            except httpx2.TransportError:
                outcomes["unanswered"] += 1
                await asyncio.sleep(0.05)  # the door is being started again
                continue
            if answer.status_code == 201:
                return str(answer.json()["id"])
            assert answer.status_code in {409, 502, 503, 504}, answer.text
            outcomes["refused"] += 1
            await asyncio.sleep(0.02)


async def test_killed_services_are_back_and_no_acknowledged_order_is_lost_or_doubled(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        product = await shop.product(stock=1_000_000)
        customers = [await shop.customer() for _ in range(BUYERS)]
        done = asyncio.Event()
        buying = [asyncio.create_task(buy_until(done, customer, product)) for customer in customers]

        for service in CRASHES:
            await shop.system.crash(service)
        done.set()
        outcomes = await asyncio.gather(*buying)

        bought = 0
        for customer, outcome in zip(customers, outcomes, strict=True):
            ids = [name.removeprefix("id ") for name in outcome if name.startswith("id ")]
            assert {1} == {outcome[f"id {order_id}"] for order_id in ids}
            assert {"confirmed"} == set(await shop.until_settled(customer, ids))
            assert len(ids) == await count_orders(customer)
            bought += len(ids)

        assert 1_000_000 - bought == await customers[0].stock_of(product)
        assert sum(outcome["unanswered"] + outcome["refused"] for outcome in outcomes) > 0, "no kill met a request"


async def count_orders(customer: Person) -> int:
    count, cursor = 0, ""
    while True:
        page = await customer.ask("GET", f"/api/orders?limit=200{cursor}")
        count += len(page["items"])
        if page["nextCursor"] is None:
            return count
        cursor = f"&cursor={page['nextCursor']}"
