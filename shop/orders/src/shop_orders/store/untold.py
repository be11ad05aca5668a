"""Cancellations from before orders told events, of which products had still to be told."""

from typing import NamedTuple

from atoll.storage import Transaction

_TAKE = """
    DELETE FROM untold_cancellations
    WHERE order_id IN (SELECT order_id FROM untold_cancellations ORDER BY order_id LIMIT $1)
    RETURNING order_id, user_id, sequence
"""


class Untold(NamedTuple):
    """A cancelled order, whose it is, and the number of its state."""

    order_id: str
    user_id: str
    sequence: int


async def take(tx: Transaction, limit: int) -> list[Untold]:
    """Some of them; they are told now, if this is committed."""
    return [Untold(*row) for row in await tx.fetch_all(_TAKE, limit)]
