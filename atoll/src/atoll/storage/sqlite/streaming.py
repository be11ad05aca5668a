"""Long reads: each on a connection of its own, in a thread, so that neither the loop nor a writer waits."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar

import apsw

from atoll.storage.database import DatabaseError, DatabaseUnavailable, Row, Value
from atoll.storage.sqlite.connections import open_for_reading, wait_for_lock
from atoll.storage.sqlite.errors import ENGINE_ERRORS, translated
from atoll.storage.sqlite.statements import native

THREADS = 4
CLOSED = "The database was closed while it was read."

Connect: TypeAlias = Callable[[Path, str | None, float], apsw.Connection]

P = ParamSpec("P")
T = TypeVar("T")


class Streams:
    """The long reads of one database; `connect` opens a connection for each."""

    def __init__(self, path: Path, vfs: str | None, lock_timeout: float, connect: Connect = open_for_reading) -> None:
        self._path = path
        self._vfs = vfs
        self._lock_timeout = lock_timeout
        self._connect = connect
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="stream")
        self._running: set[_Rows] = set()

    async def rows(self, sql: str, values: tuple[Value, ...], batch: int) -> AsyncGenerator[Row, None]:
        """The rows as they are at the first batch, fetched `batch` at a time."""
        rows = _Rows(self._path, self._vfs, self._lock_timeout, self._connect)
        self._running.add(rows)
        try:
            await self._in_thread(rows.start, native(sql), values)
            while some := await self._in_thread(rows.fetch, batch):
                for row in some:
                    yield row
        finally:
            self._running.discard(rows)
            rows.interrupt()
            with contextlib.suppress(DatabaseUnavailable):  # the database was closed, and the rows with it
                self._submit(rows.close)

    def close(self) -> None:
        """End the reads that are still running, with `DatabaseUnavailable`. Blocks: for a thread."""
        for rows in list(self._running):
            rows.interrupt()
            rows.close()
        self._threads.shutdown(wait=True)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._submit(work, *args, **kwargs))

    def _submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        try:
            return self._threads.submit(work, *args, **kwargs)
        except RuntimeError as error:
            raise DatabaseUnavailable(CLOSED) from error


class _Rows:
    """The rows of one question. Its methods block, take turns, and may be called from any thread."""

    def __init__(self, path: Path, vfs: str | None, lock_timeout: float, connect: Connect) -> None:
        self._path = path
        self._vfs = vfs
        self._lock_timeout = lock_timeout
        self._connect = connect
        self._turn = threading.Lock()
        self._engine: apsw.Connection | None = None
        self._cursor: apsw.Cursor | None = None
        self._interrupted = False

    def start(self, sql: str, values: tuple[Value, ...]) -> None:
        with self._turn:
            self._engine = self._connect(self._path, self._vfs, self._lock_timeout)
            wait_for_lock(self._engine, self._lock_timeout)
            try:
                self._cursor = self._engine.execute(sql, values)
            except ENGINE_ERRORS as error:
                raise self._meaning(error) from error

    def fetch(self, batch: int) -> list[Row]:
        """The next rows; empty after the last."""
        with self._turn:
            if self._cursor is None:
                raise DatabaseUnavailable(CLOSED)
            try:
                return list(islice(self._cursor, batch))
            except ENGINE_ERRORS as error:
                raise self._meaning(error) from error

    def interrupt(self) -> None:
        """End a `fetch` that is running, soon."""
        self._interrupted = True
        if self._engine is not None:
            self._engine.interrupt()

    def close(self) -> None:
        with self._turn:
            engine, self._engine, self._cursor = self._engine, None, None
            if engine is not None:
                engine.close(True)

    def _meaning(self, error: Exception) -> DatabaseError:
        if self._interrupted:
            return DatabaseUnavailable(CLOSED)
        return translated(error)
