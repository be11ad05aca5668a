"""The `Database` port on one SQLite file."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import apsw

from atoll.clock import Clock, SystemClock
from atoll.storage.database import DatabaseUnavailable, ReadBody, Row, TransactionBody, Value
from atoll.storage.migrations import Migration
from atoll.storage.sqlite.bodies import Bodies
from atoll.storage.sqlite.connections import open_for_reading
from atoll.storage.sqlite.group_commit import GroupCommit
from atoll.storage.sqlite.migrating import migrate
from atoll.storage.sqlite.reading import Reader
from atoll.storage.sqlite.streaming import Streams
from atoll.storage.sqlite.writing import WritingConnection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Open:
    """What there is between entering and leaving."""

    writer: GroupCommit
    reader: Reader
    streams: Streams
    bodies: Bodies
    file: tuple[int, int]


class SqliteDatabase:
    """A service's own SQLite file; several processes of one machine may share it (WAL, synchronous=FULL).

    `lock_timeout` is how many seconds a transaction waits while another process writes. `vfs` names one of
    SQLite's ways to the file system, when the usual one will not do.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        lock_timeout: float = 5.0,
        vfs: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._path = Path(path)
        self._lock_timeout = lock_timeout
        self._vfs = vfs
        self._clock = clock or SystemClock()
        self._parts: _Open | None = None

    def __repr__(self) -> str:
        state = "closed" if self._parts is None else repr(self._parts.writer)
        return f"SqliteDatabase({str(self._path)!r}, {state})"

    async def transaction(self, body: TransactionBody[T]) -> T:
        parts = self._opened()
        parts.bodies.refuse_inside()
        return await parts.writer.transaction(body)

    async def read(self, body: ReadBody[T]) -> T:
        return await self._opened().reader.read(body)

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        return await self._opened().reader.fetch_one(sql, *values)

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        return await self._opened().reader.fetch_all(sql, *values)

    async def stream(self, sql: str, *values: Value, batch: int = 1000) -> AsyncIterator[Row]:
        async with contextlib.aclosing(self._opened().streams.rows(sql, values, batch)) as rows:
            async for row in rows:
                yield row

    async def migrate(self, migrations: Sequence[Migration]) -> list[Migration]:
        self._opened()
        return await asyncio.to_thread(migrate, self._path, self._vfs, migrations, self._clock)

    async def check(self) -> None:
        """Also notices a file that was removed or replaced, which SQLite itself does not."""
        parts = self._opened()
        await parts.reader.fetch_one("SELECT 1 FROM sqlite_schema")
        if _identity(self._path) != parts.file:
            raise DatabaseUnavailable(f"The file {self._path} was removed or replaced.")

    async def __aenter__(self) -> Self:
        if self._parts is not None:
            raise RuntimeError(f"{self!r} is open already.")
        self._parts = await self._open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        parts, self._parts = self._opened(), None
        try:
            await asyncio.to_thread(parts.streams.close)
            parts.reader.close()
        finally:
            await parts.writer.close()

    def _opened(self) -> _Open:
        if self._parts is None:
            raise DatabaseUnavailable(f"{self!r} cannot be used: enter it first, and not after leaving.")
        return self._parts

    async def _open(self) -> _Open:
        path, vfs, patience = self._path, self._vfs, self._lock_timeout
        writer, reader = await asyncio.to_thread(_connect, path, vfs, patience)
        bodies = Bodies()
        return _Open(
            writer=GroupCommit(writer, bodies),
            reader=Reader(reader, bodies, patience),
            streams=Streams(path, vfs, patience),
            bodies=bodies,
            file=_identity(path),
        )


def _connect(path: Path, vfs: str | None, patience: float) -> tuple[WritingConnection, apsw.Connection]:
    writer = WritingConnection(path, vfs, patience)
    try:
        return writer, open_for_reading(path, vfs, patience)
    except DatabaseUnavailable:
        writer.close()
        raise


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode; zeros when there is no such file."""
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)
