"""Long reads: each on a connection of its own, so that no other work waits for them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from atoll.storage.database import DatabaseError, DatabaseUnavailable, Row, Value
from atoll.storage.postgres.connection import Connection
from atoll.storage.postgres.errors import ENGINE_ERRORS, translated, unreachable
from atoll.storage.postgres.pool import CLOSED
from atoll.storage.postgres.reading import BEGIN_ONE_VIEW
from atoll.storage.statements import refuse_control

AT_ONCE = 8
BATCH_TIMEOUT = 300.0
"""Seconds. The first batch of a long question may have to sort the whole table."""


class Streams:
    """The long reads of the database `place`; `connect` opens a connection for each, `AT_ONCE` at most."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, place: str, patience: float) -> None:
        self._connect = connect
        self._place = place
        self._patience = patience
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._running: set[Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def rows(self, sql: str, values: tuple[Value, ...], batch: int) -> AsyncGenerator[Row, None]:
        """The rows as they are at the first batch, fetched `batch` at a time."""
        refuse_control(sql)
        async with self._turn(), self._connection() as connection:
            try:
                cursor = await _open_cursor(connection, sql, values)
                while rows := await cursor.fetch(batch, timeout=BATCH_TIMEOUT):
                    for row in rows:
                        yield tuple(row)
            except ENGINE_ERRORS as error:
                raise self._meaning(error, connection) from error

    async def close(self) -> None:
        """End the reads that are still running, with `DatabaseUnavailable`."""
        self._is_closed = True
        for connection in self._running:
            connection.terminate()
        while self._closing:
            await asyncio.gather(*self._closing)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None, None]:
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            raise DatabaseUnavailable(f"None of {AT_ONCE} long reads has come to its end in time.") from None
        try:
            yield
        finally:
            self._turns.release()

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection, None]:
        if self._is_closed:
            raise DatabaseUnavailable(CLOSED)
        try:
            connection = await self._connect()
        except ENGINE_ERRORS as error:
            raise DatabaseUnavailable(unreachable(self._place, error)) from error
        self._running.add(connection)
        try:
            yield connection
        finally:
            self._running.discard(connection)
            self._close_aside(connection)

    def _close_aside(self, connection: Connection) -> None:
        task = asyncio.create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _meaning(self, error: Exception, connection: Connection) -> DatabaseError:
        if self._is_closed:
            return DatabaseUnavailable(CLOSED)
        return translated(error, lost=connection.is_closed)


async def _open_cursor(connection: Connection, sql: str, values: tuple[Value, ...]) -> Any:
    await connection.control(BEGIN_ONE_VIEW, BATCH_TIMEOUT)
    return await connection.engine.cursor(sql, *values, timeout=BATCH_TIMEOUT)
