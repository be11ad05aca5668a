"""What the services tell each other: every type of event, and the data that it carries.

users      user.registered · user.deleted
products   product.changed · inventory.updated
orders     order.created · order.confirmed · order.cancelled · order.shipped · order.delivered

Contracts are only added to: new optional fields, and new types. `events.json` beside this package's README is what has
been agreed on; a test explains what a change would break. After an addition write it anew:

    python -m shop_contracts.events > shop/contracts/events.json
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from atoll.events.contracts import document
from atoll.events.envelope import EventType
from atoll.wire import Model
from shop_contracts.money import Money
from shop_contracts.orders import OrderLine, OrderStatus

# --- users; the subject is the user, whose events are numbered 1 and 2 ---------------------------------------------


class UserRegistered(Model):
    """There is an account now."""

    user_id: str


class UserDeleted(Model):
    """The account is gone for good; its id is never given again."""

    user_id: str


USER_REGISTERED = EventType("user.registered", UserRegistered)
USER_DELETED = EventType("user.deleted", UserDeleted)

# --- products ------------------------------------------------------------------------------------------------------

StockOutcome: TypeAlias = Literal["confirmed", "rejected"]


class ProductChanged(Model):
    """The catalogue says this of a product now; not told when it sells. The subject is the product.

    `hidden` is there when it was taken out of the catalogue, as its last event.
    """

    product_id: str
    name: str
    price: Money
    version: int
    hidden: Literal[True] | UnsetType = UNSET


class InventoryUpdated(Model):
    """Whether an order has its stock for good: the answer to `order.created`, and of the same sequence.

    The subject is the order; `reason` is a sentence, and there when the order is rejected.
    """

    order_id: str
    status: StockOutcome
    reason: str | UnsetType = UNSET


PRODUCT_CHANGED = EventType("product.changed", ProductChanged)
INVENTORY_UPDATED = EventType("inventory.updated", InventoryUpdated)

# --- orders; the subject is the order, whose states are numbered from 1 --------------------------------------------


class OrderNamed(Model):
    """Any event of an order, for those who need to know no more than which one it is."""

    order_id: str


class OrderCreated(OrderNamed):
    """An order was placed, and its stock is held. May be told again while the order is pending."""

    user_id: str
    items: tuple[OrderLine, ...]
    total_amount: Money


class OrderMoved(OrderNamed):
    """An order has come to this state. `reason` is a sentence, when it was not its buyer who cancelled it."""

    user_id: str
    status: OrderStatus
    reason: str | UnsetType = UNSET


ORDER_CREATED = EventType("order.created", OrderCreated)
ORDER_CONFIRMED = EventType("order.confirmed", OrderMoved)
ORDER_CANCELLED = EventType("order.cancelled", OrderMoved)
ORDER_SHIPPED = EventType("order.shipped", OrderMoved)
ORDER_DELIVERED = EventType("order.delivered", OrderMoved)

ORDER_MOVED: Mapping[str, EventType[OrderMoved]] = {
    "confirmed": ORDER_CONFIRMED,
    "cancelled": ORDER_CANCELLED,
    "shipped": ORDER_SHIPPED,
    "delivered": ORDER_DELIVERED,
}
"""By the state that an order has come to."""

ALL: Sequence[EventType[Any]] = (
    USER_REGISTERED,
    USER_DELETED,
    PRODUCT_CHANGED,
    INVENTORY_UPDATED,
    ORDER_CREATED,
    *ORDER_MOVED.values(),
)


def committed_form() -> bytes:
    """All contracts, as they stand in `events.json`."""
    return msgspec.json.format(msgspec.json.encode(document(ALL), order="deterministic"), indent=2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(committed_form())
