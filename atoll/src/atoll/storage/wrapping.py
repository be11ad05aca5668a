"""A database around another one: who adds something to one of its operations derives from this, and writes that one."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from atoll.storage.database import Database, ReadBody, Row, TransactionBody, Value
from atoll.storage.migrations import Migration

T = TypeVar("T")


class WrappingDatabase:
    """Passes everything on to `wrapped`, its start and end included."""

    def __init__(self, wrapped: Database) -> None:
        self.wrapped = wrapped

    def __repr__(self) -> str:
        return repr(self.wrapped)

    async def transaction(self, body: TransactionBody[T]) -> T:
        return await self.wrapped.transaction(body)

    async def read(self, body: ReadBody[T]) -> T:
        return await self.wrapped.read(body)

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        return await self.wrapped.fetch_one(sql, *values)

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        return await self.wrapped.fetch_all(sql, *values)

    def stream(self, sql: str, *values: Value, batch: int = 1000) -> AsyncIterator[Row]:
        return self.wrapped.stream(sql, *values, batch=batch)

    async def migrate(self, migrations: Sequence[Migration]) -> list[Migration]:
        return await self.wrapped.migrate(migrations)

    async def check(self) -> None:
        await self.wrapped.check()

    async def __aenter__(self) -> Self:
        await self.wrapped.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.wrapped.__aexit__(exc_type, exc, traceback)
