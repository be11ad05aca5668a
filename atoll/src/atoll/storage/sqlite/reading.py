"""Short reads, on the event loop: each sees one unchanging view of what is durable."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import apsw

from atoll.storage.database import DatabaseUnavailable, ReadBody, Row, Value
from atoll.storage.sqlite.bodies import Bodies, SqliteReading

T = TypeVar("T")

PAUSE_WHILE_LOCKED = 0.005  # seconds


class Reader:
    """The connection that answers short questions."""

    def __init__(self, engine: apsw.Connection, bodies: Bodies, lock_timeout: float) -> None:
        self._engine = engine
        self._bodies = bodies
        self._lock_timeout = lock_timeout

    async def read(self, body: ReadBody[T]) -> T:
        return await self._patiently(lambda: self._read(body))

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        return await self._patiently(lambda: SqliteReading(self._engine).fetch_one(sql, *values))

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        return await self._patiently(lambda: SqliteReading(self._engine).fetch_all(sql, *values))

    def close(self) -> None:
        self._engine.close(True)

    async def _read(self, body: ReadBody[T]) -> T:
        self._engine.execute("BEGIN")
        try:
            return self._bodies.run(body, SqliteReading(self._engine))
        finally:
            if self._engine.in_transaction:
                self._engine.execute("ROLLBACK")

    async def _patiently(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Ask again while another process recovers or closes the file: nothing else makes a reader wait."""
        give_up_at = time.monotonic() + self._lock_timeout
        while True:
            self._bodies.refuse_inside()
            try:
                return await ask()
            except DatabaseUnavailable as error:
                if not isinstance(error.__cause__, apsw.BusyError) or time.monotonic() >= give_up_at:
                    raise
            await asyncio.sleep(PAUSE_WHILE_LOCKED)
