"""Brings a schema up to date, one process at a time."""

from collections.abc import Sequence

from atoll.clock import Clock, to_millis
from atoll.storage import migration_record
from atoll.storage.database import DatabaseUnavailable, MigrationFailed
from atoll.storage.migrations import Migration
from atoll.storage.postgres.connection import Connection
from atoll.storage.postgres.errors import ENGINE_ERRORS, Interrupted, translated
from atoll.storage.postgres.repeating import repeating

LOCK = int.from_bytes(b"atoll", "big")
"""The advisory lock that is held while one migrates; of the database, so that services do not wait for each other."""

LONGEST = 3600.0
"""Seconds for one statement: to rewrite a large table takes its time."""


async def migrate(connection: Connection, migrations: Sequence[Migration], clock: Clock) -> list[Migration]:
    """Apply what is missing, each in a transaction of its own, and return it.

    `connection` may be in any state afterwards.
    """
    expected = migration_record.checked_order(migrations)
    return [migration for migration in expected if await _apply_once(connection, migration, expected, clock)]


async def _apply_once(
    connection: Connection, migration: Migration, expected: Sequence[Migration], clock: Clock
) -> bool:
    """Apply one, unless it is there already; says whether it did. Holds the lock from look to leap."""

    async def attempt() -> bool:
        try:
            return await _apply(connection, migration, expected, clock)
        except ENGINE_ERRORS as error:
            meaning = translated(error, lost=connection.is_closed)
            if connection.is_closed:
                raise DatabaseUnavailable(str(meaning)) from error
            await connection.come_to_rest(LONGEST)
            if isinstance(meaning, Interrupted):  # a deadlock with those who go on working meanwhile
                raise meaning from error
            raise MigrationFailed(f"Migration {migration} failed: {error}") from error

    return await repeating(attempt)


async def _apply(connection: Connection, migration: Migration, expected: Sequence[Migration], clock: Clock) -> bool:
    await connection.control(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})", LONGEST)
    applied = await _applied(connection)
    migration_record.refuse_differences(applied, expected)
    if migration.version not in applied:
        await _run(connection, migration, clock)
    await connection.control("COMMIT", LONGEST)
    return migration.version not in applied


async def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    for name, create in migration_record.TABLES.items():
        if await connection.fetch_one("SELECT 1 WHERE to_regclass($1) IS NULL", (name,), LONGEST):
            await connection.control(create, LONGEST)  # needs a right that whoever only looks may not have
    rows = await connection.fetch_all(migration_record.READ, (), LONGEST)
    return {version: (name, checksum) for version, name, checksum in rows}


async def _run(connection: Connection, migration: Migration, clock: Clock) -> None:
    await connection.control(migration.sql, LONGEST)
    if not connection.is_in_transaction:
        raise MigrationFailed(f"Migration {migration} ends the transaction that it runs in.")
    note = (migration.version, migration.name, migration.checksum, to_millis(clock.now()))
    await connection.execute(migration_record.ADD, note, LONGEST)
