"""Orders, each with all that it has come through, in one row."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from atoll import wire
from atoll.clock import from_millis, to_millis
from atoll.storage import Reading, Row, Transaction, listing
from shop_contracts.money import Money
from shop_contracts.orders import OrderLine
from shop_orders.domain import CAME_FROM, Change, Order, Status

_ORDER = "id, user_id, lines, total, currency, status, created_at, updated_at, reason"

_FIND = f"SELECT {_ORDER} FROM orders WHERE id = $1"  # noqa: S608 - constants only

_NEWEST_OF_USER = f"""
    SELECT {_ORDER} FROM orders WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""  # noqa: S608 - constants only

_NEXT_OF_USER = f"""
    SELECT {_ORDER} FROM orders WHERE user_id = $1 AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC LIMIT $2
"""  # noqa: S608 - constants only

_INTO = "INSERT INTO orders (id, user_id, lines, total, currency, status, created_at, updated_at, changes, ask_at)"

_ADD_MANY = f"{_INTO} VALUES ($1, $2, $3, $4, $5, 'pending', $6, $6, $7, $8)"

# Not for a buyer who is known to be gone: asked here, it costs no statement of its own.
_ADD = f"""
    {_INTO}
    SELECT $1, $2, $3, CAST($4 AS BIGINT), $5, 'pending', CAST($6 AS BIGINT), $6, $7, CAST($8 AS BIGINT)
    WHERE NOT EXISTS (SELECT 1 FROM buyers WHERE user_id = $2 AND is_deleted = 1)
"""  # noqa: S608 - constants only

_EXISTS = "SELECT 1 FROM orders WHERE id = $1"

_CHANGES = "SELECT changes FROM orders WHERE id = $1"

_PENDING = """
    SELECT id, created_at FROM orders WHERE status = 'pending' AND ask_at <= $1 ORDER BY ask_at LIMIT $2
"""

_ASK_LATER = "UPDATE orders SET ask_at = $2 WHERE id = $1"

_read_lines: Callable[[bytes], tuple[OrderLine, ...]] = wire.decoder(tuple[OrderLine, ...]).decode


_CONFIRM = f"""
    UPDATE orders SET status = '{Status.CONFIRMED}', updated_at = $1, sequence = sequence + 1, changes = changes || $2
    WHERE id IN ({{}}) AND status = '{Status.PENDING}'
    RETURNING id, user_id, sequence
"""  # noqa: S608 - states only

_SEQUENCES = "SELECT id, sequence FROM orders WHERE id IN ({})"


def _move_sql(status: Status, sources: Iterable[Status]) -> str:
    names = ", ".join(f"'{source}'" for source in sorted(sources))
    return f"""
        UPDATE orders
        SET status = '{status}', updated_at = $2, sequence = sequence + 1, changes = changes || $3, reason = $4
        WHERE id = $1 AND status IN ({names})
        RETURNING user_id, sequence
    """  # noqa: S608 - states only


_MOVE = {status: _move_sql(status, sources) for status, sources in CAME_FROM.items() if sources}

_REJECT = _move_sql(Status.CANCELLED, [Status.PENDING])


class Position(NamedTuple):
    """After which order of a user a page begins."""

    created_at: int
    id: str


class Moved(NamedTuple):
    """An order that has just come to a state: whose it is, and the number of that state."""

    user_id: str
    sequence: int


class NewRow(NamedTuple):
    """A new order in the columns of its table."""

    id: str
    user_id: str
    lines: str
    total: int
    currency: str
    created_at: int
    changes: str
    ask_at: int


class Pending(NamedTuple):
    """An order that is not decided yet, and when it was placed, in milliseconds."""

    order_id: str
    created_at: int


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


def new_row(order: Order, lines: str, *, ask_at: int) -> NewRow:
    """What is written of a new order, whose `lines` are JSON already.

    If it is still pending at `ask_at` (milliseconds), products is asked about it.
    """
    at = to_millis(order.created_at)
    return NewRow(
        order.id, order.user_id, lines, order.total.minor, order.currency, at, f"{Status.PENDING}:{at}", ask_at
    )


async def add(tx: Transaction, row: NewRow) -> bool:
    """Write a new order; False when its buyer is gone."""
    return await tx.execute(_ADD, *row) == 1


async def add_many(tx: Transaction, rows: Sequence[NewRow]) -> None:
    """Write new orders, whoever their buyers are."""
    await tx.execute_many(_ADD_MANY, rows)


async def move(tx: Transaction, order_id: str, status: Status, now: int) -> Moved | None:
    """Bring an order to a state; None, and nothing done, when it can't go there from where it is, or is not there."""
    return _moved(await tx.fetch_one(_MOVE[status], order_id, now, _appended(status, now), None))


async def confirm(tx: Transaction, order_ids: Sequence[str], now: int) -> dict[str, Moved]:
    """Confirm those of the orders that are pending; which ones these were."""
    rows = await tx.fetch_all(
        listing(_CONFIRM, len(order_ids), after=2), now, _appended(Status.CONFIRMED, now), *order_ids
    )
    return {order_id: Moved(user_id, sequence) for order_id, user_id, sequence in rows}


async def reject(tx: Transaction, order_id: str, now: int, reason: str) -> Moved | None:
    """Cancel an order for the want of stock, if it is still pending: one that is confirmed has its stock."""
    return _moved(await tx.fetch_one(_REJECT, order_id, now, _appended(Status.CANCELLED, now), reason))


async def changes(reading: Reading, order_id: str, after: int) -> list[Change]:
    """What has become of an order since the change with the sequence `after`, in order."""
    row = await reading.fetch_one(_CHANGES, order_id)
    texts = [] if row is None else row[0].split(" ")
    return [_change(order_id, sequence, text) for sequence, text in enumerate(texts, start=1) if sequence > after]


async def sequences(reading: Reading, order_ids: Sequence[str]) -> dict[str, int]:
    """How many changes each of the orders has come through."""
    rows = await reading.fetch_all(listing(_SEQUENCES, len(order_ids)), *order_ids)
    return dict(rows)


async def pending(reading: Reading, now: int, limit: int) -> list[Pending]:
    """Orders that products is to be asked about by now, the most urgent first."""
    return [Pending(*row) for row in await reading.fetch_all(_PENDING, now, limit)]


async def ask_later(tx: Transaction, order_id: str, at: int) -> None:
    """Ask about this order again at that moment, if it is still pending by then."""
    await tx.execute(_ASK_LATER, order_id, at)


def _moved(row: Row | None) -> Moved | None:
    return None if row is None else Moved(*row)


def _appended(status: Status, now: int) -> str:
    """What a move adds to `changes`."""
    return f" {status}:{now}"


def _change(order_id: str, sequence: int, text: str) -> Change:
    status, _, at = text.partition(":")
    return Change(order_id, sequence, Status(status), from_millis(int(at)))


def _order(row: Row) -> Order:
    order_id, user_id, lines, total, currency, status, created_at, updated_at, reason = row
    return Order(
        id=order_id,
        user_id=user_id,
        lines=_read_lines(lines.encode()),
        total=Money(total),
        currency=currency,
        status=Status(status),
        created_at=from_millis(created_at),
        updated_at=from_millis(updated_at),
        reason=reason,
    )
