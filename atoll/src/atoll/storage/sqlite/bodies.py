"""A body: an async function that is run to its end without the event loop, and what it may use meanwhile."""

import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import apsw

from atoll.storage.database import DatabaseError, Row, StatementFailed, TransactionSuspended, Value
from atoll.storage.sqlite.errors import ENGINE_ERRORS, translated
from atoll.storage.sqlite.statements import native

T = TypeVar("T")
S = TypeVar("S", bound="SqliteReading")


class SqliteReading:
    """`Reading` on one connection, until it is ended."""

    __slots__ = ("_engine", "_refusal", "failure")

    def __init__(self, engine: apsw.Connection) -> None:
        self._engine = engine
        self._refusal: str | None = None
        self.failure: DatabaseError | None = None
        """The first statement's error: from then on nothing of the body counts, even when it goes on."""

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        self._refuse_if_ended()
        try:
            cursor = self._engine.execute(native(sql), values)
            row: Row | None = cursor.fetchone()
            cursor.close()
        except ENGINE_ERRORS as error:
            raise self._failed(error) from error
        return row

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        self._refuse_if_ended()
        try:
            return self._engine.execute(native(sql), values).fetchall()
        except ENGINE_ERRORS as error:
            raise self._failed(error) from error

    def end(self) -> None:
        """From now on every statement is refused."""
        self._refusal = "The body has returned; its transaction is of no more use."

    def _refuse_if_ended(self) -> None:
        if self._refusal is not None:
            raise StatementFailed(self._refusal) from self.failure

    def _failed(self, error: Exception) -> DatabaseError:
        self.failure = translated(error)
        self._refusal = "An earlier statement failed; nothing of this transaction will be kept."
        return self.failure


class SqliteTransaction(SqliteReading):
    """`Transaction` on the writing connection, until it is ended."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: apsw.Cursor) -> None:
        """Statements that change something share `cursor`: to make one costs as much as a small statement."""
        super().__init__(cursor.connection)
        self._cursor = cursor

    async def execute(self, sql: str, *values: Value) -> int:
        self._refuse_if_ended()
        engine = self._engine
        before = engine.total_changes()
        try:
            self._cursor.execute(native(sql), values).fetchall()
        except ENGINE_ERRORS as error:
            raise self._failed(error) from error
        return engine.changes() if engine.total_changes() != before else 0

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        self._refuse_if_ended()
        bindings = [tuple(row) for row in rows]
        try:
            self._cursor.executemany(native(sql), bindings).fetchall()
        except ENGINE_ERRORS as error:
            raise self._failed(error) from error


class Bodies:
    """Runs one body at a time to its end, and knows while it does."""

    def __init__(self) -> None:
        self._running = False

    def refuse_inside(self) -> None:
        """Raise `TransactionSuspended` when called by a body: it has its transaction, and nothing else."""
        if self._running:
            raise TransactionSuspended("A body asked the database for something outside of its transaction.")

    def run(self, body: Callable[[S], Coroutine[Any, Any, T]], session: S) -> T:
        """What `body` returns or raises: a statement's error when it hid one.

        `TransactionSuspended` when it waits for anything; then it is closed.
        """
        self._running = True
        coroutine = body(session)
        try:
            coroutine.send(None)
        except StopIteration as returned:
            if session.failure is not None:
                raise session.failure from session.failure.__cause__
            result: T = returned.value
            return result
        finally:
            session.end()
            self._running = False
        _abandon(coroutine)
        raise TransactionSuspended("A body awaited something other than its transaction.")


def _abandon(coroutine: Coroutine[Any, Any, Any]) -> None:
    with contextlib.suppress(Exception):  # whatever it still tries, it is too late
        coroutine.close()
