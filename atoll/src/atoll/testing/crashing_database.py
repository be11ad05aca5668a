"""A database whose process dies, as by kill -9, at a named point of the first transaction that a request makes."""

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from atoll import context
from atoll.storage import Database, Row, Transaction, Value
from atoll.storage.database import TransactionBody
from atoll.storage.wrapping import WrappingDatabase

T = TypeVar("T")


class CrashPoint(NamedTuple):
    """`before body`, `statement 0` (before the first one), `statement 1`, …, `after body`, or `after commit`."""

    place: str
    number: int = 0

    @classmethod
    def read(cls, text: str) -> "CrashPoint":
        place, _, number = text.partition(" ") if text.startswith("statement") else (text, "", "")
        return cls(place, int(number or 0))

    def __str__(self) -> str:
        return f"{self.place} {self.number}" if self.place == "statement" else self.place


def crash_points(statements: int) -> list[CrashPoint]:
    """Every point of a transaction that has so many statements."""
    between = [CrashPoint("statement", number) for number in range(statements)]
    return [CrashPoint("before body"), *between, CrashPoint("after body"), CrashPoint("after commit")]


def die() -> None:
    """End this process without any further step."""
    os.kill(os.getpid(), signal.SIGKILL)


class CrashingDatabase(WrappingDatabase):
    """`database`, but for the crash; what background jobs do goes well. `crash` is called once."""

    def __init__(self, database: Database, point: CrashPoint, crash: Callable[[], None] = die) -> None:
        super().__init__(database)
        self._point = point
        self._crash = crash
        self._armed = True

    def __repr__(self) -> str:
        return f"CrashingDatabase({self._point}, {self.wrapped!r})"

    def at(self, point: CrashPoint) -> None:
        """Crash if this is the point."""
        if self._armed and point == self._point:
            self._armed = False
            self._crash()

    async def transaction(self, body: TransactionBody[T]) -> T:
        if context.current.get() is None:
            return await self.wrapped.transaction(body)
        self.at(CrashPoint("before body"))
        result = await self.wrapped.transaction(self._watched(body))
        self.at(CrashPoint("after commit"))
        return result

    def _watched(self, body: TransactionBody[T]) -> TransactionBody[T]:
        async def watched(tx: Transaction) -> T:
            result = await body(_CrashingTransaction(tx, self.at))
            self.at(CrashPoint("after body"))
            return result

        return watched


class _CrashingTransaction:
    """Counts the statements, and says so before each."""

    def __init__(self, tx: Transaction, at: Callable[[CrashPoint], Any]) -> None:
        self._tx = tx
        self._at = at
        self._statements = 0

    def _next(self) -> None:
        self._at(CrashPoint("statement", self._statements))
        self._statements += 1

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        self._next()
        return await self._tx.fetch_one(sql, *values)

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        self._next()
        return await self._tx.fetch_all(sql, *values)

    async def execute(self, sql: str, *values: Value) -> int:
        self._next()
        return await self._tx.execute(sql, *values)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        self._next()
        await self._tx.execute_many(sql, rows)
