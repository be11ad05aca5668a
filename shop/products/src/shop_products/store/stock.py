"""How many of each product can still be sold, and the ledger whose sum that is."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from atoll.storage.database import Reading, Transaction, Value
from shop_contracts.products import MAX_STOCK, ReservedLine
from shop_products.domain import StockCause, in_product_order

_ADD = "INSERT INTO stock (product_id, available, moved, moves) VALUES ($1, $2, 0, $3)"

# The CHECK of the schema refuses the one that would go below zero.
_MOVE = "UPDATE stock SET available = available + $2, moved = 1, moves = moves + 1 WHERE product_id = $1"

_MOVE_WITHIN_BOUNDS = """
    UPDATE stock SET available = available + $2, moved = 1, moves = moves + 1
    WHERE product_id = $1 AND available + $2 BETWEEN 0 AND $3
"""

_HAS_MOVED = "SELECT 1 FROM stock WHERE product_id = $1 AND moved = 1"

_RECORDED_AT_ONCE = 100


class Move(NamedTuple):
    """A change of one product's stock."""

    product_id: str
    change: int


async def has_moved(reading: Reading, product_id: str) -> bool:
    """Whether it has, since the present version of the product was made."""
    return await reading.fetch_one(_HAS_MOVED, product_id) is not None


async def add(tx: Transaction, first: Sequence[Move], now: int) -> None:
    """Begin to keep the stock of new products."""
    await tx.execute_many(_ADD, [(*move, int(move.change != 0)) for move in first])
    await _record(tx, [move for move in first if move.change], StockCause.ADDED, None, now)


async def adjust(tx: Transaction, move: Move, now: int) -> bool:
    """Add, or take when negative; False, and nothing done, when that would leave the bounds."""
    if await tx.execute(_MOVE_WITHIN_BOUNDS, move.product_id, move.change, MAX_STOCK) == 0:
        return False
    await _record(tx, [move], StockCause.ADJUSTED, None, now)
    return True


async def take(tx: Transaction, lines: Sequence[ReservedLine], order_id: str, now: int) -> None:
    """Take every line, in product order; `CheckViolated` when one is short."""
    moves = [Move(line.product_id, -line.quantity) for line in in_product_order(lines)]
    await tx.execute_many(_MOVE, moves)
    await _record(tx, moves, StockCause.HELD, order_id, now)


async def give_back(tx: Transaction, lines: Sequence[ReservedLine], cause: StockCause, order_id: str, now: int) -> None:
    """Give every line back, in product order."""
    moves = [Move(line.product_id, line.quantity) for line in in_product_order(lines)]
    await tx.execute_many(_MOVE, moves)
    await _record(tx, moves, cause, order_id, now)


async def _record(tx: Transaction, moves: Sequence[Move], cause: StockCause, order_id: str | None, now: int) -> None:
    for start in range(0, len(moves), _RECORDED_AT_ONCE):
        some = moves[start : start + _RECORDED_AT_ONCE]
        values: Iterable[Value] = chain.from_iterable(some)
        await tx.execute(_record_sql(len(some)), cause.value, order_id, now, *values)


@cache
def _record_sql(count: int) -> str:
    pairs = ((4 + 2 * number, 5 + 2 * number) for number in range(count))
    moves = ", ".join(f"(CAST(${product} AS TEXT), CAST(${change} AS BIGINT))" for product, change in pairs)
    return f"""
        INSERT INTO stock_ledger (product_id, change, cause, order_id, created_at, number)
        SELECT stock.product_id, moved.column2, $1, $2, $3, stock.moves
        FROM (VALUES {moves}) AS moved JOIN stock ON stock.product_id = moved.column1
    """  # noqa: S608 - numbers
