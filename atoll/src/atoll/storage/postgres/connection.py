"""One connection to the server. Raises the engine's own errors; what they mean is the business of those who ask."""

import contextlib
import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import asyncpg

from atoll.storage.database import Row, Value
from atoll.storage.postgres.address import Address
from atoll.storage.statements import refuse_control

CONNECT_TIMEOUT = 5.0  # seconds for one attempt, TLS and authentication included
CLOSE_TIMEOUT = 2.0
PREPARED_STATEMENTS = 512
CHANGES = re.compile(r"(?:INSERT 0|UPDATE|DELETE|MERGE) (\d+)")

Settings: TypeAlias = dict[str, str]

# The client stops waiting earlier by itself; the server's own limit ends what a client that died has left behind.
_OF_ALL: Settings = {
    "application_name": "atoll",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "60s",
}

WRITING: Settings = {**_OF_ALL, "lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s"}
READING: Settings = {**_OF_ALL, "default_transaction_read_only": "on"}
STREAMING: Settings = {**READING, "statement_timeout": "0"}
MIGRATING: Settings = {**_OF_ALL, "lock_timeout": "60s", "statement_timeout": "0"}

# Whoever runs the server may ask for more than the usual durability, but answers here are never less than durable.
_BE_DURABLE = """
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


async def connect(address: Address, settings: Settings) -> "Connection":
    """A new connection; raises what asyncpg raises, `TimeoutError` after `CONNECT_TIMEOUT` seconds."""
    engine = await asyncpg.connect(
        address.dsn,
        ssl=ssl.create_default_context() if address.trusts_system else None,
        timeout=CONNECT_TIMEOUT,
        server_settings={**settings, **address.settings},
        statement_cache_size=PREPARED_STATEMENTS,
        max_cached_statement_lifetime=0,
    )
    try:
        await engine.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text")
        await engine.execute(_BE_DURABLE, timeout=CONNECT_TIMEOUT)
    except BaseException:
        engine.terminate()
        raise
    return Connection(engine)


@dataclass(eq=False)
class Connection:
    """A connection and the statements that were prepared on it. One task at a time."""

    engine: Any
    idle_since: float = 0.0
    """A moment of the monotonic clock; kept by the pool."""
    _prepared: dict[str, Any] = field(default_factory=dict)

    @property
    def is_closed(self) -> bool:
        return bool(self.engine.is_closed())

    @property
    def is_in_transaction(self) -> bool:
        return bool(self.engine.is_in_transaction())

    async def control(self, sql: str, timeout: float) -> str:
        """Run SQL without values, more than one statement if need be; returns the last one's command tag."""
        return str(await self.engine.execute(sql, timeout=timeout))

    async def fetch_one(self, sql: str, values: Sequence[Value], timeout: float) -> Row | None:
        statement = self._prepared.get(sql) or await self._prepare(sql, timeout)
        row = await statement.fetchrow(*values, timeout=timeout)
        return None if row is None else tuple(row)

    async def fetch_all(self, sql: str, values: Sequence[Value], timeout: float) -> list[Row]:
        statement = self._prepared.get(sql) or await self._prepare(sql, timeout)
        return [tuple(row) for row in await statement.fetch(*values, timeout=timeout)]

    async def execute(self, sql: str, values: Sequence[Value], timeout: float) -> int:
        """How many rows the statement changed."""
        statement = self._prepared.get(sql) or await self._prepare(sql, timeout)
        await statement.fetch(*values, timeout=timeout)
        changed = CHANGES.fullmatch(statement.get_statusmsg() or "")
        return int(changed[1]) if changed else 0

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]], timeout: float) -> None:
        """All rows on their way before the first answer is waited for."""
        statement = self._prepared.get(sql) or await self._prepare(sql, timeout)
        await statement.executemany(rows, timeout=timeout)

    async def come_to_rest(self, timeout: float) -> None:
        """Wait until what was cancelled has ended, and undo what was not committed."""
        if not self.is_in_transaction:  # as far as is known: a BEGIN may still be under way
            await self.engine.execute("SELECT 1", timeout=timeout)
        if self.is_in_transaction:
            await self.engine.execute("ROLLBACK", timeout=timeout)

    def forget(self, sql: str) -> None:
        """Prepare the statement anew when it is used next: a migration may have changed what it returns."""
        self._prepared.pop(sql, None)

    async def close(self) -> None:
        """Take leave of the server, or be gone after `CLOSE_TIMEOUT` seconds. Never raises."""
        with contextlib.suppress(Exception):
            await self.engine.close(timeout=CLOSE_TIMEOUT)
        self.terminate()

    def terminate(self) -> None:
        """Be gone now; the server undoes what was not committed."""
        with contextlib.suppress(Exception):
            self.engine.terminate()

    async def _prepare(self, sql: str, timeout: float) -> Any:
        refuse_control(sql)
        statement = await self.engine.prepare(sql, timeout=timeout)
        if len(self._prepared) >= PREPARED_STATEMENTS:
            self._prepared.pop(next(iter(self._prepared)))
        self._prepared[sql] = statement
        return statement


def _number(text: str) -> int | float:
    """What `sum` of BIGINT gives: PostgreSQL has a type of its own for it, the port has not."""
    try:
        return int(text)
    except ValueError:
        return float(text)
