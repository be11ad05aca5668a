"""The catalogue, page by page: from the query of a request to what the store is asked."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from atoll.paging import DEFAULT_LIMIT, Cursors, Limit
from atoll.problems import InvalidFields
from atoll.storage import Database
from atoll.wire import StrictModel
from shop_contracts.money import Money
from shop_contracts.products import Category, ProductPage
from shop_products.store import catalogue
from shop_products.store.catalogue import Position, Wanted

MAX_WORDS = 8

Sort: TypeAlias = Literal["createdAt", "-createdAt", "name", "-name", "price", "-price"]


class ProductFilter(StrictModel):
    """Which products, in which order; a filter that is absent lets all pass.

    `q` finds products whose name or description holds each of its words, whatever the case. Sorted by
    `createdAt`, no page misses or repeats a product; by name or price, one that is renamed or repriced between
    two pages may.
    """

    category: Category | None = None
    min_price: Money | None = None
    max_price: Money | None = None
    q: Annotated[str, Meta(max_length=200)] = ""
    sort: Sort = "-createdAt"
    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


_cursors = Cursors(Position)


async def list_products(database: Database, wanted: ProductFilter) -> ProductPage:
    """One page; `InvalidFields` for a cursor of another order, or too many words."""
    asked = _asked(wanted)
    one_more = asked._replace(limit=wanted.limit + 1)
    found = await database.read(lambda reading: catalogue.page(reading, one_more))
    products = found[: wanted.limit]
    more = len(found) > wanted.limit
    last = catalogue.position_of(products[-1], wanted.sort) if more else None
    return ProductPage(items=products, next_cursor=_cursors.write(last) if last else None)


def _asked(wanted: ProductFilter) -> Wanted:
    return Wanted(
        sort=wanted.sort,
        category=wanted.category,
        min_price=wanted.min_price,
        max_price=wanted.max_price,
        words=_words(wanted.q),
        after=_after(wanted),
        limit=wanted.limit,
    )


def _words(q: str) -> tuple[str, ...]:
    words = tuple(q.split())
    if len(words) > MAX_WORDS:
        raise InvalidFields.at("q", f"More than {MAX_WORDS} words to look for.")
    return words


def _after(wanted: ProductFilter) -> Position | None:
    if wanted.cursor is None:
        return None
    position = _cursors.read(wanted.cursor)
    if position.sort != wanted.sort or isinstance(position.key, str) != (wanted.sort.lstrip("-") == "name"):
        raise InvalidFields.at("cursor", "The cursor belongs to another sort order.")
    return position
