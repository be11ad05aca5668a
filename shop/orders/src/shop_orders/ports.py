"""What orders needs of products."""

from collections.abc import Sequence
from typing import Protocol

from shop_contracts.items import Item
from shop_contracts.products import Reservation


class ReservationReleased(Exception):
    """The order was cancelled at products; it can't reserve any more."""


class ItemsDiffer(Exception):
    """The order has reserved other items before."""


class Products(Protocol):
    """The products service. Each call may be repeated without doing more."""

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        """Hold all the items for the order at today's prices, or none of them.

        Raises `InsufficientStock`, `ProductNotFound`, `ReservationReleased` or `ItemsDiffer`; and
        `ProductsUnavailable` when nobody can say whether they are held.
        """

    async def settle(self, order_ids: Sequence[str]) -> frozenset[str]:
        """Make what is held the orders' own; those that have no hold (any more) are not among the returned.

        Raises `CallError` when nobody can say whether that happened.
        """

    async def release(self, order_id: str) -> None:
        """Take the order's stock back, for good. Raises `CallError` as `settle` does."""
