"""Transactions: each body on a connection of its own, in parallel, under READ COMMITTED.

What SQLite needs a group commit for, the server does by itself: sessions that commit at the same moment share one
flush of its log. So what counts here are the round trips of a transaction, and how many of them run side by side:
when somebody waits for the connection, the commit begins the next transaction as well, and saves one.
"""

import asyncio
from typing import TypeVar

from atoll.storage.database import TransactionBody
from atoll.storage.postgres.asking import BEGIN, Asking
from atoll.storage.postgres.bodies import Bodies, PostgresTransaction
from atoll.storage.postgres.connection import Connection
from atoll.storage.postgres.limits import Limits
from atoll.storage.postgres.pool import Pool
from atoll.storage.postgres.repeating import repeating

T = TypeVar("T")


class Writer:
    """Runs transactions on the connections of a pool."""

    def __init__(self, pool: Pool, bodies: Bodies, limits: Limits) -> None:
        self._pool = pool
        self._bodies = bodies
        self._limits = limits

    def __repr__(self) -> str:
        return f"<Writer on {self._pool!r}>"

    async def close(self) -> None:
        """Close the pool; no transaction may be running any more."""
        await self._pool.close()

    async def transaction(self, body: TransactionBody[T]) -> T:
        """What `body` returns or raises, once it is durable or undone."""
        deadline = self._limits.deadline()
        return await repeating(lambda: self._attempt(body, deadline))

    async def _attempt(self, body: TransactionBody[T], deadline: float) -> T:
        connection = await self._pool.acquire(deadline)
        try:
            result = await self._run(body, Asking(connection, self._limits, deadline))
        except asyncio.CancelledError:
            self._pool.mend(connection)
            raise
        except BaseException:
            await self._undo(connection)
            raise
        self._pool.release(connection)
        return result

    async def _run(self, body: TransactionBody[T], asking: Asking) -> T:
        if not asking.connection.is_in_transaction:
            await asking.control(BEGIN)
        result = await self._bodies.run(body, PostgresTransaction(), asking.answer)
        await asking.commit(and_begin=self._pool.is_waited_for)
        return result

    async def _undo(self, connection: Connection) -> None:
        if connection.is_closed:
            self._pool.distrust()
        await asyncio.shield(self._pool.mend(connection))
