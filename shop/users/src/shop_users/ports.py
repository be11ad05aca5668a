"""What users needs of orders."""

from collections.abc import Sequence
from typing import Protocol

from shop_contracts.orders import Order


class Orders(Protocol):
    """The orders service."""

    async def latest(self, user_id: str) -> Sequence[Order]:
        """Some of the user's orders, newest first. Raises `CallError` when they cannot be had in short time."""
