"""What the services have written down: rows of their databases, as they are, in streams of any length."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from atoll import wire
from atoll.clock import from_millis
from atoll.problems import Problem
from atoll.storage import ReadOnlyDatabase, Row
from shop_contracts.orders import OrderLine
from shop_contracts.products import ReservedLine

T = TypeVar("T")

AT_ONCE = 500
"""How many rows are looked up by one question."""


class RecordUnreadable(Exception):
    """A row holds something that no version of the service has written."""


@dataclass(frozen=True, slots=True)
class Databases:
    """The databases of the services, open."""

    users: ReadOnlyDatabase
    products: ReadOnlyDatabase
    orders: ReadOnlyDatabase


@dataclass(frozen=True, slots=True)
class Article:
    """A product with its stock; `available` is None when there is no row of stock. `price` is in minor units."""

    id: str
    name: str
    price: int
    version: int
    available: int | None


@dataclass(frozen=True, slots=True)
class Move:
    """A row of the ledger."""

    product_id: str
    change: int
    cause: str
    order_id: str | None


@dataclass(frozen=True, slots=True)
class Hold:
    """A reservation, whatever its state."""

    order_id: str
    state: str
    lines: tuple[ReservedLine, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order. `total` is in minor units; `changes` are all its states so far, `last` the number of the last."""

    id: str
    user_id: str
    lines: tuple[OrderLine, ...]
    total: int
    currency: str
    status: str
    changes: Sequence[str]
    last: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a user who placed an order with an Idempotency-Key."""

    user_id: str
    key: str
    answer: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """A user."""

    id: str
    name: str
    email: str


_ARTICLES = """
    SELECT p.id, p.name, p.price, p.version, s.available
    FROM products p LEFT JOIN stock s ON s.product_id = p.id
"""

_MOVES = "SELECT product_id, change, cause, order_id FROM stock_ledger ORDER BY product_id, number"

# One transaction moves each product of an order once: so those that belong together are each product's first, second …
_MOVES_BY_ORDER = """
    SELECT product_id, change, cause, order_id FROM stock_ledger WHERE order_id IS NOT NULL
    ORDER BY order_id, row_number() OVER (PARTITION BY order_id, product_id ORDER BY number), cause, product_id
"""

_HOLDS = "SELECT order_id, state, lines, expires_at FROM reservations ORDER BY order_id"

_ORDER = "SELECT id, user_id, lines, total, currency, status, changes, sequence, created_at, updated_at FROM orders"

_KEPT = "SELECT caller, idempotency_key, body FROM kept_answers WHERE route = 'POST /orders'"

_ACCOUNT = "SELECT id, name, email FROM users"

_read_order_lines: Callable[[bytes], tuple[OrderLine, ...]] = wire.decoder(tuple[OrderLine, ...]).decode
_read_held_lines: Callable[[bytes], tuple[ReservedLine, ...]] = wire.decoder(tuple[ReservedLine, ...]).decode


async def articles(products: ReadOnlyDatabase) -> AsyncIterator[Article]:
    """Every product, the hidden ones as well."""
    async for row in products.stream(_ARTICLES):
        yield Article(*row)


async def moves(products: ReadOnlyDatabase) -> AsyncIterator[Move]:
    """The ledger, product by product, each in the order in which it was written."""
    async for row in products.stream(_MOVES):
        yield Move(*row)


async def moves_by_order(products: ReadOnlyDatabase) -> AsyncIterator[Move]:
    """The rows of the ledger that an order has caused, by order, and then transaction by transaction."""
    async for row in products.stream(_MOVES_BY_ORDER):
        yield Move(*row)


async def holds(products: ReadOnlyDatabase) -> AsyncIterator[Hold]:
    """Every reservation, by the id of its order."""
    async for order_id, state, lines, expires_at in products.stream(_HOLDS):
        yield Hold(order_id, state, _held_lines(order_id, lines), from_millis(expires_at))


async def orders(database: ReadOnlyDatabase) -> AsyncIterator[OrderRecord]:
    """Every order, by its id."""
    async for row in database.stream(f"{_ORDER} ORDER BY id"):
        yield _order(row)


async def kept_answers(database: ReadOnlyDatabase) -> AsyncIterator[KeptAnswer]:
    """What is kept for Idempotency-Keys of orders: those of the last 24 hours."""
    async for row in database.stream(_KEPT):
        yield KeptAnswer(*row)


async def orders_named(database: ReadOnlyDatabase, ids: Sequence[str]) -> dict[str, OrderRecord]:
    """Those of at most `AT_ONCE` orders that are there, by id."""
    rows = await database.fetch_all(f"{_ORDER} WHERE id IN ({numbers(len(ids))})", *ids)
    return {row[0]: _order(row) for row in rows}


async def accounts_named(users: ReadOnlyDatabase, ids: Sequence[str]) -> dict[str, Account]:
    """Those of at most `AT_ONCE` users that are there, by id."""
    rows = await users.fetch_all(f"{_ACCOUNT} WHERE id IN ({numbers(len(ids))})", *ids)
    return {row[0]: Account(*row) for row in rows}


async def in_parts(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """At most `AT_ONCE` items at a time."""
    part: list[T] = []
    async for item in items:
        part.append(item)
        if len(part) == AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def numbers(count: int) -> str:
    """`$1, $2, …`, for so many values."""
    return ", ".join(f"${number}" for number in range(1, count + 1))


def _order(row: Row) -> OrderRecord:
    order_id, user_id, lines, total, currency, status, changes, last, created_at, updated_at = row
    try:
        read = _read_order_lines(lines.encode())
    except Problem as problem:
        raise RecordUnreadable(f"The lines of order {order_id} cannot be read: {problem.detail}") from problem
    return OrderRecord(
        id=order_id,
        user_id=user_id,
        lines=read,
        total=total,
        currency=currency,
        status=status,
        changes=[change.partition(":")[0] for change in changes.split()],
        last=last,
        created_at=from_millis(created_at),
        updated_at=from_millis(updated_at),
    )


def _held_lines(order_id: str, lines: str) -> tuple[ReservedLine, ...]:
    try:
        return _read_held_lines(lines.encode())
    except Problem as problem:
        raise RecordUnreadable(f"The held lines of order {order_id} cannot be read: {problem.detail}") from problem
