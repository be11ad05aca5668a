"""Reads, on connections that cannot write."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from atoll.storage.database import ReadBody, Row, Value
from atoll.storage.postgres.asking import COMMIT, Asking
from atoll.storage.postgres.bodies import Ask, Bodies, PostgresReading
from atoll.storage.postgres.connection import Connection
from atoll.storage.postgres.limits import Limits
from atoll.storage.postgres.pool import Pool
from atoll.storage.postgres.repeating import repeating

T = TypeVar("T")

BEGIN_ONE_VIEW = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class NeedsOneView(Exception):
    """A body asked a second time: both answers must be of one view."""


class Reader:
    """Answers short questions on the connections of a pool."""

    def __init__(self, pool: Pool, bodies: Bodies, limits: Limits) -> None:
        self._pool = pool
        self._bodies = bodies
        self._limits = limits
        self._ask_again: set[object] = set()
        """The code of bodies that have asked more than once."""

    async def read(self, body: ReadBody[T]) -> T:
        """What `body` returns or raises.

        Most bodies ask once, and one statement sees one view by itself; so a body gets a transaction, two round
        trips more, only when it asks again: then it starts anew, and the next time it has one from the beginning.
        """
        self._bodies.refuse_inside()
        code = getattr(body, "__code__", None)
        if code not in self._ask_again:
            try:
                return await self._on_connection(
                    lambda asking: self._bodies.run(body, PostgresReading(), _Once(asking))
                )
            except NeedsOneView:
                self._ask_again |= {code} - {None}
        return await self._on_connection(lambda asking: self._in_one_view(body, asking))

    async def fetch_one(self, sql: str, values: tuple[Value, ...]) -> Row | None:
        self._bodies.refuse_inside()
        row: Row | None = await self._on_connection(lambda asking: asking.ask(Connection.fetch_one, sql, values))
        return row

    async def fetch_all(self, sql: str, values: tuple[Value, ...]) -> list[Row]:
        self._bodies.refuse_inside()
        rows: list[Row] = await self._on_connection(lambda asking: asking.ask(Connection.fetch_all, sql, values))
        return rows

    async def _in_one_view(self, body: ReadBody[T], asking: Asking) -> T:
        await asking.control(BEGIN_ONE_VIEW)
        result = await self._bodies.run(body, PostgresReading(), asking.answer)
        await asking.control(COMMIT)
        return result

    async def _on_connection(self, work: Callable[[Asking], Awaitable[T]]) -> T:
        deadline = self._limits.deadline()
        return await repeating(lambda: self._attempt(work, deadline))

    async def _attempt(self, work: Callable[[Asking], Awaitable[T]], deadline: float) -> T:
        connection = await self._pool.acquire(deadline)
        try:
            result = await work(Asking(connection, self._limits, deadline))
        except NeedsOneView:
            self._pool.release(connection)
            raise
        except BaseException:
            if connection.is_closed:
                self._pool.distrust()
            self._pool.mend(connection)
            raise
        self._pool.release(connection)
        return result


class _Once:
    """Answers one statement, and raises `NeedsOneView` at the second."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._has_answered = False

    async def __call__(self, ask: Ask) -> Any:
        if self._has_answered:
            raise NeedsOneView
        self._has_answered = True
        return await self._asking.answer(ask)
