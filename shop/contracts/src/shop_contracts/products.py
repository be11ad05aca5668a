"""What products answers and accepts: the catalogue, stock and reservations."""

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from atoll.problems import ProblemDetails
from atoll.wire import Model, StrictModel
from shop_contracts.items import Items, refuse_repeated_products
from shop_contracts.moments import Moment
from shop_contracts.money import Money

MAX_PRICE = Money(10**9 - 1)
"""9,999,999.99: a hundred lines of ten thousand such things still have a total that `Money` holds."""

MAX_STOCK = 10**12
"""The most of one product that the shop keeps count of."""

MAX_NEW_PRODUCTS = 500
MAX_RESERVATIONS = 50

MAX_NAME = 200
MAX_DESCRIPTION = 5000
MAX_CATEGORY = 100
"""Characters."""

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Description: TypeAlias = Annotated[str, Meta(max_length=MAX_DESCRIPTION)]
OrderId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Category: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_CATEGORY)]
Price: TypeAlias = Annotated[Money, Meta(extra_json_schema={"maximum": float(MAX_PRICE.to_wire())})]


class Product(Model):
    """A product as all see it. `stock` is what can still be sold; `version` counts changes of the rest."""

    id: str
    name: str
    description: str
    price: Money
    category: str
    stock: int
    version: int
    created_at: Moment
    updated_at: Moment


class ProductPage(Model):
    """Some products, and where the next ones begin; `next_cursor` is null after the last."""

    items: list[Product]
    next_cursor: str | None


class NewProduct(StrictModel):
    """A product to add to the catalogue, with its first stock."""

    name: Name
    price: Price
    category: Category
    description: Description = ""
    stock: Annotated[int, Meta(ge=0, le=MAX_STOCK)] = 0

    def __post_init__(self) -> None:
        refuse_high_price(self.price)


NewProducts: TypeAlias = Annotated[list[NewProduct], Meta(min_length=1, max_length=MAX_NEW_PRODUCTS)]


class ProductChanges(StrictModel):
    """The fields to change; the others stay."""

    name: Name | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    description: Description | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.price is not UNSET:
            refuse_high_price(self.price)


class StockChange(StrictModel):
    """How many to add, or to take when negative."""

    quantity: Annotated[int, Meta(ge=-MAX_STOCK, le=MAX_STOCK, extra_json_schema={"not": {"const": 0}})]

    def __post_init__(self) -> None:
        if self.quantity == 0:
            raise ValueError("A quantity of 0 changes nothing")


ReservationState: TypeAlias = Literal["held", "settled", "released", "expired"]


class ReservationRefusal(StrEnum):
    """Why a reservation was refused: the `type` of the problem that is answered."""

    PRODUCT_NOT_FOUND = "/problems/product-not-found"
    INSUFFICIENT_STOCK = "/problems/insufficient-stock"
    ITEMS_DIFFER = "/problems/items-differ"
    RELEASED = "/problems/reservation-released"


class NewReservation(StrictModel):
    """All the lines of one order, to be held together."""

    order_id: OrderId
    items: Items

    def __post_init__(self) -> None:
        refuse_repeated_products(self.items)


class ReservedLine(Model):
    """One line at the product's own price, as it was at `version`."""

    product_id: str
    name: str
    quantity: int
    price: Money
    version: int


class Reservation(Model):
    """The hold of one order; no order may be committed on it after `expires_at`."""

    order_id: str
    state: ReservationState
    items: tuple[ReservedLine, ...]
    expires_at: Moment


NewReservations: TypeAlias = Annotated[list[NewReservation], Meta(min_length=1, max_length=MAX_RESERVATIONS)]


class ReservationOutcome(Model):
    """What became of one of several reservations: either of the two."""

    reservation: Reservation | None = None
    problem: ProblemDetails | None = None


def refuse_high_price(price: Money) -> None:
    """ValueError above `MAX_PRICE`."""
    if price > MAX_PRICE:
        raise ValueError(f"A price is at most {MAX_PRICE}")
