"""The `ReadOnlyDatabase` port on the SQLite file of a service, whether the service runs or not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from atoll.storage.database import DatabaseUnavailable, ReadBody, Row, Value
from atoll.storage.sqlite.bodies import Bodies
from atoll.storage.sqlite.connections import open_read_only
from atoll.storage.sqlite.reading import Reader
from atoll.storage.sqlite.streaming import Streams

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Open:
    """What there is between entering and leaving."""

    reader: Reader
    streams: Streams


class ReadOnlySqlite:
    """The file at `path`, which must be there; nobody who writes to it is held up.

    `lock_timeout` is how many seconds a question waits while another process recovers the file.
    """

    def __init__(self, path: Path | str, *, lock_timeout: float = 5.0) -> None:
        self._path = Path(path)
        self._lock_timeout = lock_timeout
        self._parts: _Open | None = None

    def __repr__(self) -> str:
        return f"ReadOnlySqlite({str(self._path)!r}, {'closed' if self._parts is None else 'open'})"

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

    async def __aenter__(self) -> Self:
        if self._parts is not None:
            raise RuntimeError(f"{self!r} is open already.")
        engine = await asyncio.to_thread(open_read_only, self._path, None, self._lock_timeout)
        self._parts = _Open(
            reader=Reader(engine, Bodies(), self._lock_timeout),
            streams=Streams(self._path, None, self._lock_timeout, open_read_only),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        parts, self._parts = self._opened(), None
        await asyncio.to_thread(parts.streams.close)
        parts.reader.close()

    def _opened(self) -> _Open:
        if self._parts is None:
            raise DatabaseUnavailable(f"{self!r} cannot be used: enter it first, and not after leaving.")
        return self._parts
