"""Transactions that meet: who comes second looks again, and decides anew.

Never happens where transactions run one at a time, as on SQLite; does under READ COMMITTED.
"""

from typing import TypeVar

from atoll.storage import CheckViolated, Database
from atoll.storage.database import TransactionBody

T = TypeVar("T")

_ATTEMPTS = 10


class Overtaken(Exception):
    """Another transaction has changed what this one had read before it could change it itself."""


async def settle_contention(database: Database, body: TransactionBody[T]) -> T:
    """`body` in a transaction, and again after `Overtaken` or `CheckViolated`: each time, another one got ahead."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await database.transaction(body)
        except (Overtaken, CheckViolated):
            continue
    return await database.transaction(body)
