"""Products, their stock and the holds on it: what may happen to them. No I/O.

Problem
├── ProductNotFound 404         no such product, or it is hidden
├── ReservationNotFound 404
├── InsufficientStock 409       some products have less than is wanted
├── StockOutOfBounds 409        a change would take stock below zero, or beyond counting
├── ReservationReleased 410     the order was cancelled; it can't reserve any more
├── VersionChanged 412          someone else changed the product meanwhile
└── ItemsDiffer 422             the order has reserved other items before
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from atoll.problems import Conflict, FieldMistake, Gone, InvalidFields, NotFound, PreconditionFailed
from shop_contracts.items import Item
from shop_contracts.money import Money
from shop_contracts.products import MAX_STOCK, NewReservation, Reservation, ReservedLine


class StockCause(StrEnum):
    """Why stock changed."""

    ADDED = "added"
    ADJUSTED = "adjusted"
    HELD = "held"
    RELEASED = "released"
    EXPIRED = "expired"


class ProductNotFound(NotFound):
    """There is no such product, or it is hidden. When several are asked for, `errors` points at those not there.

    What to do: look at the ids; leave out what is not sold any more.
    """

    def __init__(self, *product_ids: str, errors: Sequence[FieldMistake] = ()) -> None:
        noun = "Product" if len(product_ids) == 1 else "Products"
        super().__init__(f"{noun} {', '.join(product_ids)} not found", errors=errors)
        self.product_ids = product_ids


class ReservationNotFound(NotFound):
    """No stock was ever reserved for this order.

    What to do: nothing is held, so there is nothing to give back.
    """

    def __init__(self, order_id: str) -> None:
        super().__init__(f"Order {order_id} has no reservation")
        self.order_id = order_id


class InsufficientStock(Conflict):
    """Some products have less than is wanted; nothing was reserved. `errors` points at those that are short.

    What to do: ask for less, or for other things. Repeating it helps only once there is more stock.
    """

    def __init__(self, *names: str, errors: Sequence[FieldMistake] = ()) -> None:
        super().__init__(f"Insufficient stock for product {', '.join(names)}", errors=errors)
        self.names = names


class StockOutOfBounds(Conflict):
    """The change would take the stock below zero, or beyond what is counted; it stays as it is.

    What to do: take no more than there is.
    """

    def __init__(self, name: str, available: int) -> None:
        super().__init__(f"The stock of {name} is {available}, and has to stay between 0 and {MAX_STOCK}")
        self.available = available


class ReservationReleased(Gone):
    """The order was cancelled and its stock given back; it can reserve none any more.

    What to do: place a new order.
    """

    def __init__(self, order_id: str) -> None:
        super().__init__(f"The stock of order {order_id} was given back for good")
        self.order_id = order_id


class VersionChanged(PreconditionFailed):
    """Somebody changed the product since it was read at the version that `If-Match` names; it stays as they left it.

    What to do: read it anew, and send the change with its new `ETag` if it is still wanted.
    """

    def __init__(self, product_id: str, version: int) -> None:
        super().__init__(f"Product {product_id} was changed meanwhile; it is at version {version} now")
        self.version = version


class ItemsDiffer(InvalidFields):
    """The order has reserved other items before, and holds those.

    What to do: name the same items, or reserve under the id of another order.
    """

    def __init__(self, order_id: str) -> None:
        mistake = FieldMistake("/items", "These are not the items that the order has reserved before.")
        super().__init__(f"Order {order_id} has reserved other items before", errors=[mistake])
        self.order_id = order_id


class Offer(NamedTuple):
    """A product that is for sale, as a reservation needs to know it."""

    name: str
    price: Money
    version: int
    available: int


def priced_lines(items: Sequence[Item], offers: Mapping[str, Offer]) -> tuple[ReservedLine, ...]:
    """The lines for `items`, in their order; raises `ProductNotFound` or `InsufficientStock`, naming all."""
    _refuse_unknown(items, offers)
    _refuse_short(items, offers)
    return tuple(_line(item, offers[item.product_id]) for item in items)


def lines_of_all(wanted: Sequence[NewReservation], offers: Mapping[str, Offer]) -> list[tuple[ReservedLine, ...]]:
    """The lines for each; raises as `priced_lines` does, unless there is enough for all of them together."""
    quantities: Counter[str] = Counter()
    for each in wanted:
        for item in each.items:
            quantities[item.product_id] += item.quantity
    everything = [Item(product_id=product_id, quantity=quantity) for product_id, quantity in quantities.items()]
    _refuse_unknown(everything, offers)
    _refuse_short(everything, offers)
    return [tuple(_line(item, offers[item.product_id]) for item in each.items) for each in wanted]


def _refuse_unknown(items: Sequence[Item], offers: Mapping[str, Offer]) -> None:
    unknown = [index for index, item in enumerate(items) if item.product_id not in offers]
    if unknown:
        errors = [FieldMistake(f"/items/{index}/productId", "No such product.") for index in unknown]
        raise ProductNotFound(*(items[index].product_id for index in unknown), errors=errors)


def _refuse_short(items: Sequence[Item], offers: Mapping[str, Offer]) -> None:
    short = [index for index, item in enumerate(items) if offers[item.product_id].available < item.quantity]
    if short:
        names = [offers[items[index].product_id].name for index in short]
        errors = [
            FieldMistake(f"/items/{index}/quantity", f"Insufficient stock for product {name}")
            for index, name in zip(short, names, strict=True)
        ]
        raise InsufficientStock(*names, errors=errors)


def _line(item: Item, offer: Offer) -> ReservedLine:
    return ReservedLine(
        product_id=item.product_id,
        name=offer.name,
        quantity=item.quantity,
        price=offer.price,
        version=offer.version,
    )


def refuse_other_items(reservation: Reservation, items: Sequence[Item]) -> None:
    """Raise `ItemsDiffer` unless `items` are those reserved, in whatever order."""
    if _quantities(reservation.items) != _quantities(items):
        raise ItemsDiffer(reservation.order_id)


def _quantities(lines: Iterable[Item | ReservedLine]) -> dict[str, int]:
    return {line.product_id: line.quantity for line in lines}


def has_run_out(reservation: Reservation, now: datetime) -> bool:
    """Whether no order may be committed on the hold any more."""
    return now >= reservation.expires_at


def folded(text: str) -> str:
    """How texts are compared: without regard to case, or to how Unicode composes a character."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
