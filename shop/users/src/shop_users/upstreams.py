"""Other services, as users needs them."""

from collections.abc import Sequence

from atoll.calls import ServiceClient, path
from shop_contracts.orders import Order, OrderPage

LATEST = 10
"""How many orders are told of with a user."""

PATIENCE = 1.0
"""Seconds: an account without its orders now is worth more than one with them later."""


class OrdersOverHttp:
    """The orders service, asked by HTTP."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def latest(self, user_id: str) -> Sequence[Order]:
        where = path("users", user_id, "orders")
        return (await self._client.get(where, into=OrderPage, query={"limit": LATEST}, timeout=PATIENCE)).items
