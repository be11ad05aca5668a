"""Orders, their states and what may become of them. No I/O.

    pending ──► confirmed ──► shipped ──► delivered
       └────────────┴──► cancelled

Problem
├── InsufficientStock 400       a product has less than is wanted
├── OnlyUsersOrder 403          a service has no orders of its own
├── AccountDeleted 403          the buyer is gone
├── OrderNotFound 404           no such order, or it is someone else's
├── ProductNotFound 404         something that is wanted is not for sale
├── MoveNotAllowed 409          the order is in a state from which it can't go there
├── NotTheBuyer 422             the body names another user than the token
├── TooManyStreams 429          the caller follows as many orders as one may
├── StreamsExhausted 503        this process is followed by as many callers as it can bear
└── ProductsUnavailable 503     products can't be asked now; nothing is lost by trying again
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, structs

from atoll.problems import (
    BadRequest,
    Conflict,
    FieldMistake,
    Forbidden,
    InvalidFields,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from shop_contracts.money import Money
from shop_contracts.orders import OrderLine


class Status(StrEnum):
    """The states of an order."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether an order stays there."""
        return all(self not in sources for sources in CAME_FROM.values())


CAME_FROM: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset(),
    Status.CONFIRMED: frozenset({Status.PENDING}),
    Status.SHIPPED: frozenset({Status.CONFIRMED}),
    Status.DELIVERED: frozenset({Status.SHIPPED}),
    Status.CANCELLED: frozenset({Status.PENDING, Status.CONFIRMED}),
}
"""The states from which each one is reached."""


class Order(Struct, frozen=True):
    """What a user has bought, at the prices of the moment. `reason` says why it is cancelled, if its buyer did not."""

    id: str
    user_id: str
    lines: tuple[OrderLine, ...]
    total: Money
    currency: str
    status: Status
    created_at: datetime
    updated_at: datetime
    reason: str | None = None

    def moved_to(self, status: Status, now: datetime) -> "Order":
        """The order in its next state; raises `MoveNotAllowed`."""
        if self.status not in CAME_FROM[status]:
            raise MoveNotAllowed(self, status)
        return structs.replace(self, status=status, updated_at=now)


@dataclass(frozen=True, slots=True)
class Change:
    """A state that an order came to; the first one, pending, has the sequence 1."""

    order_id: str
    sequence: int
    status: Status
    at: datetime


def place(order_id: str, user_id: str, lines: Sequence[OrderLine], currency: str, now: datetime) -> Order:
    """A new order, pending until products has said whether its stock is its own."""
    return Order(
        id=order_id,
        user_id=user_id,
        lines=tuple(lines),
        total=total_of(lines),
        currency=currency,
        status=Status.PENDING,
        created_at=now,
        updated_at=now,
    )


def total_of(lines: Sequence[OrderLine]) -> Money:
    """Exact, in minor units."""
    return Money(sum(line.price.minor * line.quantity for line in lines))


class InsufficientStock(BadRequest):
    """Some products have less than is wanted; `detail` names them. No order was placed.

    What to do: order less, or other things.
    """


class OnlyUsersOrder(Forbidden):
    """Services have no orders of their own.

    What to do: call with the token of the user who buys.
    """

    def __init__(self) -> None:
        super().__init__("Only a signed-in user can place orders")


class AccountDeleted(Forbidden):
    """The account was deleted, so it places no orders any more. Those that are there go on.

    What to do: register anew.
    """

    def __init__(self) -> None:
        super().__init__("This account was deleted; it cannot place orders any more")


class OrderNotFound(NotFound):
    """There is no such order, or it is somebody else's.

    What to do: look at the id, and at who is signed in.
    """

    def __init__(self, order_id: str) -> None:
        super().__init__(f"Order {order_id} not found")
        self.order_id = order_id


class OrdersNotFound(NotFound):
    """There is no such user, or it is not the one who asks.

    What to do: ask for one's own orders; only administrators see those of others.
    """

    def __init__(self, user_id: str) -> None:
        super().__init__(f"Orders of user {user_id} not found")
        self.user_id = user_id


class ProductNotFound(NotFound):
    """Something that is wanted is not for sale; `detail` names it. No order was placed.

    What to do: leave it out.
    """


class MoveNotAllowed(Conflict):
    """The order is in a state from which it cannot go where it should; it stays where it is.

    What to do: read the order; `detail` says from which states the move is possible.
    """

    def __init__(self, order: Order, wanted: Status) -> None:
        states = " or ".join(sorted(CAME_FROM[wanted]))
        super().__init__(f"Order {order.id} is {order.status}; only one that is {states} can be {wanted}")
        self.order = order
        self.wanted = wanted


class NotTheBuyer(InvalidFields):
    """The body names another user than the token: everybody orders for themselves.

    What to do: leave `userId` out.
    """

    def __init__(self) -> None:
        sentence = "userId is not the signed-in user; leave it out"
        super().__init__(sentence, errors=[FieldMistake("/userId", sentence)])


class TooManyStreams(TooManyRequests):
    """One user follows as many orders at once as anybody may.

    What to do: end one of the streams, or read the order now and then instead.
    """

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} orders can be followed at once; end one of the streams", headers={"Retry-After": "5"})


class StreamsExhausted(Unavailable):
    """More orders are followed just now than the service has room for.

    What to do: read the order itself, or try again after as many seconds as `Retry-After` says.
    """

    def __init__(self) -> None:
        super().__init__("Too many orders are followed just now; ask for the order itself, or try again", retry_after=5)


class ProductsUnavailable(Unavailable):
    """Products cannot be asked now; no order was placed, and no stock is lost.

    What to do: try again after as many seconds as `Retry-After` says, with the same `Idempotency-Key`.
    """

    def __init__(self, *, retry_after: int = 1) -> None:
        super().__init__("Products can't be reached now; the order was not placed. Try again", retry_after=retry_after)
