"""The `Database` port on a PostgreSQL database."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

from atoll.clock import Clock
from atoll.storage.database import DatabaseUnavailable, TransactionBody
from atoll.storage.migrations import Migration
from atoll.storage.postgres.address import Address
from atoll.storage.postgres.connection import MIGRATING, WRITING, connect
from atoll.storage.postgres.errors import ENGINE_ERRORS, unreachable
from atoll.storage.postgres.migrating import migrate
from atoll.storage.postgres.read_only import ReadOnlyPostgres
from atoll.storage.postgres.writing import Writer

T = TypeVar("T")


class PostgresDatabase(ReadOnlyPostgres):
    """A service's own database on a server, shared by all its replicas."""

    def __init__(self, address: Address, *, patience: float = 5.0, clock: Clock | None = None) -> None:
        super().__init__(address, patience=patience, clock=clock)
        self._writer: Writer | None = None

    def __repr__(self) -> str:
        return f"PostgresDatabase('{self._address}', {self._writer or 'closed'})"

    async def transaction(self, body: TransactionBody[T]) -> T:
        opened = self._opened()
        opened.bodies.refuse_inside()
        assert self._writer is not None  # noqa: S101 - as open as the rest
        with opened.in_hand:
            return await self._writer.transaction(body)

    async def migrate(self, migrations: Sequence[Migration]) -> list[Migration]:
        opened = self._opened()
        with opened.in_hand:
            try:
                connection = await connect(self._address, MIGRATING)
            except ENGINE_ERRORS as error:
                raise DatabaseUnavailable(unreachable(str(self._address), error)) from error
            try:
                return await migrate(connection, migrations, self._limits.clock)
            finally:
                await connection.close()

    async def check(self) -> None:
        await self.fetch_one("SELECT 1")

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._writer = Writer(self._pool(WRITING, self._address.pool_size), self._opened().bodies, self._limits)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await super().__aexit__(exc_type, exc, traceback)
        writer, self._writer = self._writer, None
        assert writer is not None  # noqa: S101 - as open as the rest
        await writer.close()
