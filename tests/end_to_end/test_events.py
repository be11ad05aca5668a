"""What services tell each other, from process to process, through the server that `atoll up` starts."""

import asyncio
import os
import signal
from typing import Any

import pytest
from tests.shopping import Person, Shop

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]


async def test_who_deletes_their_account_places_no_order_any_more(shop: Shop) -> None:
    """The token lives on for a quarter of an hour; orders has been told."""
    customer = await shop.customer()
    lamp = await shop.product(stock=1000)
    before = await customer.order(lamp)
    await customer.ask("DELETE", f"/api/users/{customer.id}")
    refusal = await refused(customer, lamp)

    assert 201 == before.status_code
    assert (403, "/problems/account-deleted") == (refusal["status"], refusal["type"])


async def test_while_products_hangs_a_cancellation_waits_and_is_not_lost(shop: Shop) -> None:
    customer = await shop.customer()
    lamp = await shop.product(stock=10)
    order_id = (await customer.order(lamp, quantity=4)).json()["id"]
    await shop.until_settled(customer, [order_id])
    products = shop.system.service("products").pid
    os.kill(products, signal.SIGSTOP)
    try:
        cancelled = await customer.ask("POST", f"/api/orders/{order_id}/cancel")
    finally:
        os.kill(products, signal.SIGCONT)
    async with asyncio.timeout(20):
        while await customer.stock_of(lamp) != 10:  # noqa: ASYNC110 - as a client
            await asyncio.sleep(0.05)

    assert "cancelled" == cancelled["status"]


async def refused(customer: Person, product_id: str) -> Any:
    """The problem that an order is answered with, once it is."""
    async with asyncio.timeout(20):
        while (answer := await customer.order(product_id)).status_code == 201:  # noqa: ASYNC110 - as a client
            await asyncio.sleep(0.05)
    return answer.json()
