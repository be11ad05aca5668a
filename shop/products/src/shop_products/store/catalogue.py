"""Products as people see them."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from atoll.clock import from_millis, to_millis
from atoll.storage import Reading, Row, Transaction, Value, listing
from shop_contracts.money import Money
from shop_contracts.products import Product
from shop_products.domain import Offer, folded

_PRODUCT = """
    p.id, p.name, p.description, p.price, p.category, s.available, p.version, p.created_at, p.updated_at
"""

_FROM = "FROM products p JOIN stock s ON s.product_id = p.id WHERE p.deleted_at IS NULL"

_FIND = f"SELECT {_PRODUCT} {_FROM} AND p.id = $1"

_OFFERS = f"SELECT p.id, p.name, p.price, p.version, s.available {_FROM} AND p.id IN ({{}})"

_OFFERS_AT_ONCE = 100

_ADD = """
    INSERT INTO products
        (id, name, description, price, category, version, folded_name, folded_text, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

_CHANGE = """
    UPDATE products
    SET name = $3, description = $4, price = $5, category = $6, version = version + 1,
        folded_name = $7, folded_text = $8, updated_at = $9
    WHERE id = $1 AND version = $2 AND deleted_at IS NULL
"""

# From here on it counts whether stock moves.
_STAYS = "UPDATE stock SET moved = 0 WHERE product_id = $1"

_HIDE = "UPDATE products SET deleted_at = $3 WHERE id = $1 AND version = $2 AND deleted_at IS NULL"


class SortKey(NamedTuple):
    """A column to sort by, and how a product's value of it is found again."""

    column: str
    direction: str
    of: Callable[[Product], str | int]


SORT_KEYS = {
    "createdAt": SortKey("p.created_at", "ASC", lambda product: to_millis(product.created_at)),
    "-createdAt": SortKey("p.created_at", "DESC", lambda product: to_millis(product.created_at)),
    "name": SortKey("p.folded_name", "ASC", lambda product: folded(product.name)),
    "-name": SortKey("p.folded_name", "DESC", lambda product: folded(product.name)),
    "price": SortKey("p.price", "ASC", lambda product: product.price.minor),
    "-price": SortKey("p.price", "DESC", lambda product: product.price.minor),
}


class Position(NamedTuple):
    """After which product a page begins, in the order that `sort` names."""

    sort: str
    key: str | int
    id: str


class Wanted(NamedTuple):
    """Which products to list; None is no filter. `words` must all be found in the name or the description."""

    sort: str = "-createdAt"
    category: str | None = None
    min_price: Money | None = None
    max_price: Money | None = None
    words: tuple[str, ...] = ()
    after: Position | None = None
    limit: int = 50


async def find(reading: Reading, product_id: str) -> Product | None:
    """The product, unless there is none or it is hidden."""
    row = await reading.fetch_one(_FIND, product_id)
    return None if row is None else _product(row)


async def has_had_products(reading: Reading) -> bool:
    """Whether there is any product, hidden ones included."""
    return await reading.fetch_one("SELECT 1 FROM products LIMIT 1") is not None


async def page(reading: Reading, wanted: Wanted) -> list[Product]:
    """At most `wanted.limit` products."""
    conditions: list[str] = []
    values: list[Value] = []
    for condition, value in _filters(wanted):
        conditions.append(condition)
        values += value
    sql = _page_sql(wanted.sort, tuple(conditions))
    return [_product(row) for row in await reading.fetch_all(sql, *values, wanted.limit)]


def position_of(product: Product, sort: str) -> Position:
    """Where a page that ends with `product` goes on."""
    return Position(sort, SORT_KEYS[sort].of(product), product.id)


async def offers(reading: Reading, product_ids: Sequence[str]) -> dict[str, Offer]:
    """What a reservation needs to know of those products that are for sale."""
    found: dict[str, Offer] = {}
    for start in range(0, len(product_ids), _OFFERS_AT_ONCE):
        some = product_ids[start : start + _OFFERS_AT_ONCE]
        for row in await reading.fetch_all(listing(_OFFERS, len(some)), *some):
            found[row[0]] = Offer(row[1], Money(row[2]), row[3], row[4])
    return found


async def add(tx: Transaction, products: Sequence[Product]) -> None:
    """Write new products; their stock is `stock.add`'s."""
    await tx.execute_many(_ADD, [_columns(product) for product in products])


async def change(tx: Transaction, product: Product, *, from_version: int) -> bool:
    """Write `product` in place of its version `from_version`; False when it is at another one, or gone."""
    changed = await tx.execute(
        _CHANGE,
        product.id,
        from_version,
        product.name,
        product.description,
        product.price.minor,
        product.category,
        *_folded(product),
        to_millis(product.updated_at),
    )
    if changed == 0:
        return False
    await tx.execute(_STAYS, product.id)
    return True


async def hide(tx: Transaction, product_id: str, *, at_version: int, now: int) -> bool:
    """Take a product out of the catalogue; its row stays for those who hold it. False as for `change`."""
    return await tx.execute(_HIDE, product_id, at_version, now) == 1


def _filters(wanted: Wanted) -> list[tuple[str, tuple[Value, ...]]]:
    """Conditions with `{}` for each of their values."""
    filters: list[tuple[str, tuple[Value, ...]]] = []
    if wanted.category is not None:
        filters.append(("p.category = {}", (wanted.category,)))
    if wanted.min_price is not None:
        filters.append(("p.price >= {}", (wanted.min_price.minor,)))
    if wanted.max_price is not None:
        filters.append(("p.price <= {}", (wanted.max_price.minor,)))
    for word in wanted.words:
        filters.append(("p.folded_text LIKE {} ESCAPE '\\'", (_containing(folded(word)),)))
    if wanted.after is not None:
        key = SORT_KEYS[wanted.sort]
        operator = ">" if key.direction == "ASC" else "<"
        filters.append((f"({key.column}, p.id) {operator} ({{}}, {{}})", (wanted.after.key, wanted.after.id)))
    return filters


@cache
def _page_sql(sort: str, conditions: tuple[str, ...]) -> str:
    key = SORT_KEYS[sort]
    where = "".join(f" AND {condition}" for condition in conditions)
    sql = f"SELECT {_PRODUCT} {_FROM}{where} ORDER BY {key.column} {key.direction}, p.id {key.direction} LIMIT {{}}"
    return sql.format(*(f"${number}" for number in range(1, sql.count("{}") + 1)))


def _containing(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _folded(product: Product) -> tuple[str, str]:
    name = folded(product.name)
    return name, f"{name}\n{folded(product.description)}"


def _columns(product: Product) -> tuple[Value, ...]:
    return (
        product.id,
        product.name,
        product.description,
        product.price.minor,
        product.category,
        product.version,
        *_folded(product),
        to_millis(product.created_at),
        to_millis(product.updated_at),
    )


def _product(row: Row) -> Product:
    columns: tuple[Any, ...] = row
    product_id, name, description, price, category, available, version, created_at, updated_at = columns
    return Product(
        id=product_id,
        name=name,
        description=description,
        price=Money(price),
        category=category,
        stock=available,
        version=version,
        created_at=from_millis(created_at),
        updated_at=from_millis(updated_at),
    )
