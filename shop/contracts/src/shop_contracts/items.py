"""What is wanted: products and how many of each, as orders and reservations name them."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from msgspec import Meta

from atoll.wire import StrictModel

MAX_LINES = 100
MAX_QUANTITY = 10_000
"""With `products.MAX_PRICE`, the total of any order stays within `money.MAX_MINOR`."""

ProductId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class Item(StrictModel):
    """So many of one product."""

    product_id: ProductId
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]


Items: TypeAlias = Annotated[tuple[Item, ...], Meta(min_length=1, max_length=MAX_LINES)]


def refuse_repeated_products(items: Sequence[Item]) -> None:
    """ValueError when a product is named twice: nobody should have to guess whether quantities add up."""
    if len({item.product_id for item in items}) != len(items):
        raise ValueError("A product is named twice; name it once, with the whole quantity")
