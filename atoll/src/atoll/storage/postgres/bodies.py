"""A body: an async function that is driven step by step, and what it may use meanwhile.

What a body awaits of its transaction is an `Ask`, which goes up through the body's coroutine to whoever drives it,
and is answered from there. So everything else that it awaits is noticed, however it is done.
"""

import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from atoll.storage.database import DatabaseError, Row, StatementFailed, TransactionSuspended, Value
from atoll.storage.postgres.connection import Connection
from atoll.storage.postgres.errors import Interrupted

T = TypeVar("T")
S = TypeVar("S", bound="PostgresReading")

Method: TypeAlias = Callable[[Connection, str, Any, float], Awaitable[Any]]
"""One of `Connection`'s: with SQL, values, and the seconds that it may take."""


class Ask:
    """A statement that a body wants to be run."""

    __slots__ = ("method", "session", "sql", "values")

    def __init__(self, session: "PostgresReading", method: Method, sql: str, values: Any) -> None:
        self.session = session
        self.method = method
        self.sql = sql
        self.values = values

    def __await__(self) -> "Generator[Ask, Any, Any]":
        return (yield self)


class PostgresReading:
    """`Reading` for one body, until it is ended."""

    __slots__ = ("_refusal", "failure")

    def __init__(self) -> None:
        self._refusal: str | None = None
        self.failure: DatabaseError | None = None
        """The first statement's error: from then on nothing of the body counts, even when it goes on."""

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        self._refuse_if_ended()
        row: Row | None = await Ask(self, Connection.fetch_one, sql, values)
        return row

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        self._refuse_if_ended()
        rows: list[Row] = await Ask(self, Connection.fetch_all, sql, values)
        return rows

    def end(self) -> None:
        """From now on every statement is refused."""
        self._refusal = "The body has returned; its transaction is of no more use."

    def fail(self, failure: DatabaseError) -> DatabaseError:
        """From now on every statement is refused, and the failure is what the body comes to."""
        self.failure = failure
        self._refusal = "An earlier statement failed; nothing of this transaction will be kept."
        return failure

    def _refuse_if_ended(self) -> None:
        if self._refusal is not None:
            raise StatementFailed(self._refusal) from self.failure


class PostgresTransaction(PostgresReading):
    """`Transaction` for one body, until it is ended."""

    __slots__ = ()

    async def execute(self, sql: str, *values: Value) -> int:
        self._refuse_if_ended()
        changed: int = await Ask(self, Connection.execute, sql, values)
        return changed

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        self._refuse_if_ended()
        await Ask(self, Connection.execute_many, sql, [tuple(row) for row in rows])


class Bodies:
    """Drives bodies, any number side by side, and knows while the code of one is running."""

    def __init__(self) -> None:
        self._running = False

    def refuse_inside(self) -> None:
        """Raise `TransactionSuspended` when called by a body: it has its transaction, and nothing else."""
        if self._running:
            raise TransactionSuspended("A body asked the database for something outside of its transaction.")

    async def run(
        self, body: Callable[[S], Coroutine[Any, Any, T]], session: S, answer: Callable[[Ask], Awaitable[Any]]
    ) -> T:
        """What `body` returns or raises, its statements answered by `answer`: a statement's error when it hid one.

        `TransactionSuspended` when it waits for anything else; then it is closed.
        """
        coroutine = body(session)
        try:
            result: T = await self._drive(coroutine, session, answer)
        except Exception:
            if isinstance(session.failure, Interrupted):  # whatever the body has made of it
                raise session.failure from session.failure.__cause__
            raise
        finally:
            session.end()
            self._step(_close, coroutine)
        if session.failure is not None:
            raise session.failure from session.failure.__cause__
        return result

    async def _drive(self, coroutine: Coroutine[Any, Any, T], session: S, answer: Callable[[Ask], Awaitable[Any]]) -> T:
        resume: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            try:
                asked = self._step(resume, value)
            except StopIteration as returned:
                result: T = returned.value
                return result
            if not isinstance(asked, Ask) or asked.session is not session:
                raise TransactionSuspended("A body awaited something other than its transaction.")
            try:
                value, resume = await answer(asked), coroutine.send
            except DatabaseError as failure:
                value, resume = session.fail(failure), coroutine.throw

    def _step(self, code: Callable[[Any], Any], value: Any) -> Any:
        self._running = True
        try:
            return code(value)
        finally:
            self._running = False


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    with contextlib.suppress(Exception):  # whatever it still tries, it is too late
        coroutine.close()
