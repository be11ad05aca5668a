"""A user with their orders through the public door; and when orders hangs, without waiting for it."""

import os
import signal
import time

import pytest
from tests.shopping import Shop

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]


async def test_the_last_known_orders_are_told_while_orders_hangs(shop: Shop) -> None:
    customer = await shop.customer()
    order_id = (await customer.order(await shop.product(stock=1))).json()["id"]
    await shop.until_settled(customer, [order_id])
    path = f"/api/users/{customer.id}?include=orders"

    before = await customer.ask("GET", path)
    orders = shop.system.service("orders").pid
    os.kill(orders, signal.SIGSTOP)
    try:
        started = time.monotonic()
        meanwhile = await customer.ask("GET", path)
        seconds = time.monotonic() - started
    finally:
        os.kill(orders, signal.SIGCONT)

    assert [(order_id, "confirmed")] == [(order["id"], order["status"]) for order in before["orders"]]
    assert before | {"degraded": ["orders"]} == meanwhile
    assert seconds < 5
