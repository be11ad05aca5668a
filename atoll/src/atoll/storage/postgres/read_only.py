"""The `ReadOnlyDatabase` port on a PostgreSQL database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from atoll.clock import Clock, SystemClock
from atoll.storage.database import DatabaseUnavailable, ReadBody, Row, Value
from atoll.storage.postgres.address import Address
from atoll.storage.postgres.bodies import Bodies
from atoll.storage.postgres.connection import READING, STREAMING, Settings, connect
from atoll.storage.postgres.in_hand import InHand
from atoll.storage.postgres.limits import Limits
from atoll.storage.postgres.pool import Pool
from atoll.storage.postgres.reading import Reader
from atoll.storage.postgres.streaming import Streams

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenForReading:
    """What there is between entering and leaving."""

    bodies: Bodies
    pool: Pool
    reader: Reader
    streams: Streams
    in_hand: InHand

    async def close(self) -> None:
        """Finish what is in hand, but for long reads: they end with `DatabaseUnavailable`."""
        await self.streams.close()
        await self.in_hand.nothing()
        await self.pool.close()


class ReadOnlyPostgres:
    """The database at `address`, for those who only look.

    `patience` is how many seconds anyone waits while the server is being restarted. Half as many connections as
    the address allows for transactions serve short reads.
    """

    def __init__(self, address: Address, *, patience: float = 5.0, clock: Clock | None = None) -> None:
        self._address = address
        self._limits = Limits(clock or SystemClock(), patience)
        self._open: OpenForReading | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self._address}', {self._open.pool if self._open else 'closed'})"

    async def read(self, body: ReadBody[T]) -> T:
        opened = self._opened()
        with opened.in_hand:
            return await opened.reader.read(body)

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        opened = self._opened()
        with opened.in_hand:
            return await opened.reader.fetch_one(sql, values)

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        opened = self._opened()
        with opened.in_hand:
            return await opened.reader.fetch_all(sql, values)

    async def stream(self, sql: str, *values: Value, batch: int = 1000) -> AsyncIterator[Row]:
        async with contextlib.aclosing(self._opened().streams.rows(sql, values, batch)) as rows:
            async for row in rows:
                yield row

    async def __aenter__(self) -> Self:
        if self._open is not None:
            raise RuntimeError(f"{self!r} is open already.")
        bodies, pool = Bodies(), self._pool(READING, max(1, self._address.pool_size // 2))
        await _prove(pool)
        self._open = OpenForReading(
            bodies=bodies,
            pool=pool,
            reader=Reader(pool, bodies, self._limits),
            streams=Streams(
                partial(connect, self._address, STREAMING), place=str(self._address), patience=self._limits.patience
            ),
            in_hand=InHand(),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened, self._open = self._opened(), None
        await opened.close()

    def _opened(self) -> OpenForReading:
        if self._open is None:
            raise DatabaseUnavailable(f"{self!r} cannot be used: enter it first, and not after leaving.")
        return self._open

    def _pool(self, settings: Settings, size: int) -> Pool:
        return Pool(
            partial(connect, self._address, settings),
            place=str(self._address),
            size=size,
            patience=self._limits.patience,
            clock=self._limits.clock,
        )


async def _prove(pool: Pool) -> None:
    """Connect once, so that a wrong address is known at the start."""
    try:
        pool.release(await pool.acquire())
    except BaseException:
        await asyncio.shield(pool.close())
        raise
