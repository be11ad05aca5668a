"""Brings a schema up to date, one process at a time. Blocks: for a thread."""

from collections.abc import Sequence
from pathlib import Path

import apsw

from atoll.clock import Clock, to_millis
from atoll.storage.database import MigrationFailed
from atoll.storage.migrations import Migration, in_order
from atoll.storage.sqlite.writing import WritingConnection

MIGRATION_PATIENCE = 60.0  # seconds to wait for another process that migrates

_RECORD = """
    CREATE TABLE IF NOT EXISTS atoll_migrations (
        version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL
    )
"""


def migrate(path: Path, vfs: str | None, migrations: Sequence[Migration], clock: Clock) -> list[Migration]:
    """Apply what is missing, each in a transaction of its own, and return it."""
    expected = _checked_order(migrations)
    connection = WritingConnection(path, vfs, MIGRATION_PATIENCE)
    try:
        return [migration for migration in expected if _apply(connection, migration, expected, clock)]
    finally:
        connection.close()


def _checked_order(migrations: Sequence[Migration]) -> list[Migration]:
    try:
        return in_order(migrations)
    except ValueError as error:
        raise MigrationFailed(str(error)) from error


def _apply(connection: WritingConnection, migration: Migration, expected: Sequence[Migration], clock: Clock) -> bool:
    """Apply one, unless it is there already; says whether it did. Holds the write lock from look to leap."""
    try:
        connection.begin_patiently()
        applied = _applied(connection.engine)
        _refuse_differences(applied, expected)
        if migration.version not in applied:
            _run(connection.engine, migration, clock)
        connection.commit()
    except apsw.Error as error:
        raise MigrationFailed(f"Migration {migration} failed: {error}") from error
    finally:
        connection.roll_back()
    return migration.version not in applied


def _applied(engine: apsw.Connection) -> dict[int, tuple[str, str]]:
    engine.execute(_RECORD)
    rows = engine.execute("SELECT version, name, checksum FROM atoll_migrations")
    return {version: (name, checksum) for version, name, checksum in rows}


def _refuse_differences(applied: dict[int, tuple[str, str]], expected: Sequence[Migration]) -> None:
    known = {migration.version: migration for migration in expected}
    for version, (name, checksum) in applied.items():
        if version not in known:
            raise MigrationFailed(
                f"The database has migration {version:04}_{name}, which this code does not know: it is older."
            )
        if known[version].checksum != checksum:
            raise MigrationFailed(f"Migration {known[version]} was changed after it was applied as {name}.")


def _run(engine: apsw.Connection, migration: Migration, clock: Clock) -> None:
    engine.execute(migration.sql).fetchall()
    if not engine.in_transaction:
        raise MigrationFailed(f"Migration {migration} ends the transaction that it runs in.")
    engine.execute(
        "INSERT INTO atoll_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
        (migration.version, migration.name, migration.checksum, to_millis(clock.now())),
    )
