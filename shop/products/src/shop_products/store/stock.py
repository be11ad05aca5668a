"""How many of each product can still be sold, and the ledger whose sum that is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from atoll.storage.database import Reading, Transaction, Value
from shop_contracts.products import MAX_STOCK, Reservation, ReservedLine
from shop_products.domain import StockCause

_ADD = "INSERT INTO stock (product_id, available, moved, moves) VALUES ($1, $2, 0, $3)"

# The CHECK of the schema refuses the one that would go below zero.
_MOVE = "UPDATE stock SET available = available + $2, moved = 1, moves = moves + $3 WHERE product_id = $1"

_MOVE_WITHIN_BOUNDS = """
    UPDATE stock SET available = available + $2, moved = 1, moves = moves + 1
    WHERE product_id = $1 AND available + $2 BETWEEN 0 AND $3
"""

_HAS_MOVED = "SELECT 1 FROM stock WHERE product_id = $1 AND moved = 1"

_RECORDED_AT_ONCE = 100
_COLUMNS = 4
_VALUES = "(CAST(${} AS TEXT), CAST(${} AS BIGINT), CAST(${} AS TEXT), CAST(${} AS BIGINT))"


class Move(NamedTuple):
    """A change of one product's stock, for the sake of an order if there is one."""

    product_id: str
    change: int
    order_id: str | None = None


async def has_moved(reading: Reading, product_id: str) -> bool:
    """Whether it has, since the present version of the product was made."""
    return await reading.fetch_one(_HAS_MOVED, product_id) is not None


async def add(tx: Transaction, first: Sequence[Move], now: int) -> None:
    """Begin to keep the stock of new products."""
    await tx.execute_many(_ADD, [(move.product_id, move.change, int(move.change != 0)) for move in first])
    await _record(tx, [move for move in first if move.change], StockCause.ADDED, now)


async def adjust(tx: Transaction, move: Move, now: int) -> bool:
    """Add, or take when negative; False, and nothing done, when that would leave the bounds."""
    if await tx.execute(_MOVE_WITHIN_BOUNDS, move.product_id, move.change, MAX_STOCK) == 0:
        return False
    await _record(tx, [move], StockCause.ADJUSTED, now)
    return True


async def take(tx: Transaction, holds: Sequence[Reservation], now: int) -> None:
    """Take every line of every hold; `CheckViolated` when there is not enough for all of them."""
    moves = [Move(line.product_id, -line.quantity, hold.order_id) for hold in holds for line in hold.items]
    await _move(tx, moves, StockCause.HELD, now)


async def give_back(
    tx: Transaction, lines_of: Mapping[str, Sequence[ReservedLine]], cause: StockCause, now: int
) -> None:
    """Give every line of every order back; `lines_of` has them by the order's id."""
    moves = [Move(line.product_id, line.quantity, order_id) for order_id, lines in lines_of.items() for line in lines]
    await _move(tx, moves, cause, now)


async def _move(tx: Transaction, moves: Sequence[Move], cause: StockCause, now: int) -> None:
    """Change the stock of each product once, by all its moves, in product order: so nobody waits for each other."""
    by_product: dict[str, list[int]] = {}
    for move in moves:
        by_product.setdefault(move.product_id, []).append(move.change)
    await tx.execute_many(_MOVE, [(product, sum(some), len(some)) for product, some in sorted(by_product.items())])
    await _record(tx, moves, cause, now)


async def _record(tx: Transaction, moves: Sequence[Move], cause: StockCause, now: int) -> None:
    """Write into the ledger what has just moved; the last move of a product has the number that its stock is at now."""
    follow = Counter(move.product_id for move in moves)
    rows: list[Value] = []
    for product_id, change, order_id in moves:
        follow[product_id] -= 1
        rows += (product_id, change, order_id, follow[product_id])
    for start in range(0, len(rows), _COLUMNS * _RECORDED_AT_ONCE):
        some = rows[start : start + _COLUMNS * _RECORDED_AT_ONCE]
        await tx.execute(_record_sql(len(some) // _COLUMNS), cause.value, now, *some)


@cache
def _record_sql(count: int) -> str:
    rows = (range(first, first + _COLUMNS) for first in range(3, 3 + _COLUMNS * count, _COLUMNS))
    moves = ", ".join(_VALUES.format(*row) for row in rows)
    return f"""
        INSERT INTO stock_ledger (product_id, change, cause, order_id, created_at, number)
        SELECT stock.product_id, moved.column2, $1, moved.column3, $2, stock.moves - moved.column4
        FROM (VALUES {moves}) AS moved JOIN stock ON stock.product_id = moved.column1
    """  # noqa: S608 - numbers
