"""Customers who buy while something fails, and repeat what was not answered, as good clients do."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from tests.shopping import Person, Shop

STOCK = 1_000_000


@asynccontextmanager
async def people_buying(shop: Shop, buyers: int, *, notice: bool = True) -> AsyncIterator[None]:
    """Within, so many people buy. In the end each of them has every order that was acknowledged, once and confirmed.

    Fails too when everybody was answered well all the time: then nothing was disturbed, and nothing is shown. Unless
    nobody has to `notice`, because the test shows by itself that people were disturbed.
    """
    product = await shop.product(stock=STOCK)
    customers = [await shop.customer() for _ in range(buyers)]
    done = asyncio.Event()
    buying = [asyncio.create_task(_buy_until(done, customer, product)) for customer in customers]
    try:
        yield
    finally:
        done.set()
    outcomes = await asyncio.gather(*buying)
    bought = sum([await _has_all(shop, *each) for each in zip(customers, outcomes, strict=True)])

    assert STOCK - bought == await shop.visitor.stock_of(product)
    if notice:
        assert sum(outcome["unanswered"] + outcome["refused"] for outcome in outcomes) > 0, "nothing met a request"


async def _has_all(shop: Shop, customer: Person, outcome: Counter[str]) -> int:
    """How many orders the customer has: those that were acknowledged, each once."""
    ids = [name.removeprefix("id ") for name in outcome if name.startswith("id ")]
    assert {1} == {outcome[f"id {order_id}"] for order_id in ids}
    assert {"confirmed"} == set(await shop.until_settled(customer, ids))
    assert len(ids) == await _count_orders(customer)
    return len(ids)


async def _buy_until(done: asyncio.Event, customer: Person, product: str) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    number = 0
    while not done.is_set():
        number += 1
        order_id = await _buy_one(customer, product, f"order-{number}", outcomes)
        outcomes[f"id {order_id}"] += 1
    return outcomes


async def _buy_one(customer: Person, product: str, key: str, outcomes: Counter[str]) -> str:
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


async def _count_orders(customer: Person) -> int:
    count, cursor = 0, ""
    while True:
        page = await customer.ask("GET", f"/api/orders?limit=200{cursor}")
        count += len(page["items"])
        if page["nextCursor"] is None:
            return count
        cursor = f"&cursor={page['nextCursor']}"
