"""The service's tables: SQL, and rows turned into orders. Use cases join these into transactions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NamedTuple

from atoll import wire
from atoll.clock import from_millis, to_millis
from atoll.storage import Reading, Row, Transaction
from shop_contracts.money import Money
from shop_contracts.orders import OrderLine
from shop_orders.domain import CAME_FROM, Change, Order, Owed, Status

_ORDER = "id, user_id, lines, total, currency, status, created_at, updated_at"

_FIND = f"SELECT {_ORDER} FROM orders WHERE id = $1"  # noqa: S608 - constants only

_NEWEST_OF_USER = f"""
    SELECT {_ORDER} FROM orders WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""  # noqa: S608 - constants only

_NEXT_OF_USER = f"""
    SELECT {_ORDER} FROM orders WHERE user_id = $1 AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC LIMIT $2
"""  # noqa: S608 - constants only

_ADD = f"""
    INSERT INTO orders ({_ORDER}, owed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'settle')
"""  # noqa: S608 - constants only

_OWED = "SELECT id FROM orders WHERE owed = $1 ORDER BY created_at LIMIT $2"

_COUNT_OWED = """
    SELECT count(*), min(created_at)
    FROM (SELECT created_at FROM orders WHERE owed = $1 ORDER BY created_at LIMIT $2) AS oldest
"""

_SETTLED = """
    UPDATE orders SET status = $2, owed = NULL, updated_at = $3, sequence = sequence + 1
    WHERE id = $1 AND status = 'pending' AND owed = 'settle'
"""

_RELEASED = "UPDATE orders SET owed = NULL WHERE id = $1 AND owed = 'release'"

_RECORD_FIRST = "INSERT INTO order_changes (order_id, sequence, status, changed_at) VALUES ($1, 1, $2, $3)"

_RECORD = """
    INSERT INTO order_changes (order_id, sequence, status, changed_at)
    SELECT id, sequence, status, updated_at FROM orders WHERE id = $1
    ON CONFLICT (order_id, sequence) DO NOTHING
"""

_CHANGES = """
    SELECT order_id, sequence, status, changed_at FROM order_changes
    WHERE order_id = $1 AND sequence > $2 ORDER BY sequence
"""

_EXISTS = "SELECT 1 FROM orders WHERE id = $1"

MOST_COUNTED = 10_000

_read_lines: Callable[[bytes], tuple[OrderLine, ...]] = wire.decoder(tuple[OrderLine, ...]).decode


class Position(NamedTuple):
    """After which order of a user a page begins."""

    created_at: int
    id: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """Orders of which products must still be told something: how many, and how old the oldest one is."""

    count: int
    oldest: datetime | None


async def find(reading: Reading, order_id: str) -> Order | None:
    row = await reading.fetch_one(_FIND, order_id)
    return None if row is None else _order(row)


async def exists(reading: Reading, order_id: str) -> bool:
    return await reading.fetch_one(_EXISTS, order_id) is not None


async def of_user(reading: Reading, user_id: str, after: Position | None, limit: int) -> list[Order]:
    """At most `limit` orders of a user, newest first."""
    if after is None:
        rows = await reading.fetch_all(_NEWEST_OF_USER, user_id, limit)
    else:
        rows = await reading.fetch_all(_NEXT_OF_USER, user_id, limit, *after)
    return [_order(row) for row in rows]


def position_of(order: Order) -> Position:
    """Where a page that ends with `order` goes on."""
    return Position(to_millis(order.created_at), order.id)


async def add(tx: Transaction, order: Order) -> None:
    """Write a new order, whose stock products must be told to settle, and its first change."""
    await tx.execute(
        _ADD,
        order.id,
        order.user_id,
        wire.encode(order.lines).decode(),
        order.total.minor,
        order.currency,
        order.status.value,
        to_millis(order.created_at),
        to_millis(order.updated_at),
    )
    await tx.execute(_RECORD_FIRST, order.id, order.status.value, to_millis(order.updated_at))


async def move(tx: Transaction, order: Order, owed: Owed | None) -> bool:
    """Write the state that `order` moved to, and the change; False when it can't go there any more from where it is."""
    sources = sorted(CAME_FROM[order.status])
    changed = await tx.execute(
        _move_sql(len(sources)),
        order.id,
        order.status.value,
        None if owed is None else owed.value,
        to_millis(order.updated_at),
        *sources,
    )
    if changed == 0:
        return False
    await tx.execute(_RECORD, order.id)
    return True


async def changes(reading: Reading, order_id: str, after: int) -> list[Change]:
    """What has become of an order since the change with the sequence `after`, in order."""
    rows = await reading.fetch_all(_CHANGES, order_id, after)
    return [Change(found, sequence, Status(status), from_millis(at)) for found, sequence, status, at in rows]


async def sequences(reading: Reading, order_ids: Sequence[str]) -> dict[str, int]:
    """How many changes each of the orders has come through."""
    rows = await reading.fetch_all(_sequences_sql(len(order_ids)), *order_ids)
    return dict(rows)


async def owed(reading: Reading, what: Owed, limit: int) -> list[str]:
    """The orders of which products must still be told `what`, the oldest first."""
    return [row[0] for row in await reading.fetch_all(_OWED, what.value, limit)]


async def backlog(reading: Reading, what: Owed) -> Backlog:
    """How many those are, counted up to `MOST_COUNTED`, and since when."""
    row = await reading.fetch_one(_COUNT_OWED, what.value, MOST_COUNTED)
    count, oldest = row or (0, None)
    return Backlog(count, None if oldest is None else from_millis(oldest))


async def settled(tx: Transaction, order_ids: Sequence[str], status: Status, now: int) -> None:
    """Products has settled these orders, or refused to: move those that still wait for it, and note the changes."""
    await tx.execute_many(_SETTLED, [(order_id, status.value, now) for order_id in sorted(order_ids)])
    await tx.execute_many(_RECORD, [(order_id,) for order_id in sorted(order_ids)])


async def released(tx: Transaction, order_ids: Sequence[str]) -> None:
    """Products has taken the stock of these orders back."""
    await tx.execute_many(_RELEASED, [(order_id,) for order_id in sorted(order_ids)])


@cache
def _move_sql(sources: int) -> str:
    numbers = ", ".join(f"${number}" for number in range(5, 5 + sources))
    return f"""
        UPDATE orders SET status = $2, owed = $3, updated_at = $4, sequence = sequence + 1
        WHERE id = $1 AND status IN ({numbers})
    """  # noqa: S608 - numbers


@cache
def _sequences_sql(count: int) -> str:
    numbers = ", ".join(f"${number}" for number in range(1, count + 1))
    return f"SELECT id, sequence FROM orders WHERE id IN ({numbers})"  # noqa: S608 - numbers


def _order(row: Row) -> Order:
    order_id, user_id, lines, total, currency, status, created_at, updated_at = row
    return Order(
        id=order_id,
        user_id=user_id,
        lines=_read_lines(lines.encode()),
        total=Money(total),
        currency=currency,
        status=Status(status),
        created_at=from_millis(created_at),
        updated_at=from_millis(updated_at),
    )
