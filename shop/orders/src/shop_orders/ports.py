"""What orders needs of products."""

from collections.abc import Sequence
from typing import Protocol

from shop_contracts.items import Item
from shop_contracts.products import Reservation, ReservationState


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

    async def state_of(self, order_id: str) -> ReservationState | None:
        """What has become of the order's hold; None when products never heard of one.

        Raises `CallError` when products can't be asked.
        """
