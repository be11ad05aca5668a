"""Brings a schema up to date, one process at a time. Blocks: for a thread."""

from collections.abc import Sequence
from pathlib import Path

import apsw

from atoll.clock import Clock, to_millis
from atoll.storage import migration_record
from atoll.storage.database import MigrationFailed
from atoll.storage.migrations import Migration
from atoll.storage.sqlite.statements import native
from atoll.storage.sqlite.writing import WritingConnection

MIGRATION_PATIENCE = 60.0  # seconds to wait for another process that migrates


def migrate(path: Path, vfs: str | None, migrations: Sequence[Migration], clock: Clock) -> list[Migration]:
    """Apply what is missing, each in a transaction of its own, and return it."""
    expected = migration_record.checked_order(migrations)
    connection = WritingConnection(path, vfs, MIGRATION_PATIENCE)
    try:
        return [migration for migration in expected if _apply(connection, migration, expected, clock)]
    finally:
        connection.close()


def _apply(connection: WritingConnection, migration: Migration, expected: Sequence[Migration], clock: Clock) -> bool:
    """Apply one, unless it is there already; says whether it did. Holds the write lock from look to leap."""
    try:
        connection.begin_patiently()
        applied = _applied(connection.engine)
        migration_record.refuse_differences(applied, expected)
        if migration.version not in applied:
            _run(connection.engine, migration, clock)
        connection.commit()
    except apsw.Error as error:
        raise MigrationFailed(f"Migration {migration} failed: {error}") from error
    finally:
        connection.roll_back()
    return migration.version not in applied


def _applied(engine: apsw.Connection) -> dict[int, tuple[str, str]]:
    for create in migration_record.TABLES.values():
        engine.execute(create)
    rows = engine.execute(migration_record.READ)
    return {version: (name, checksum) for version, name, checksum in rows}


def _run(engine: apsw.Connection, migration: Migration, clock: Clock) -> None:
    engine.execute(migration.sql).fetchall()
    if not engine.in_transaction:
        raise MigrationFailed(f"Migration {migration} ends the transaction that it runs in.")
    engine.execute(
        native(migration_record.ADD),
        (migration.version, migration.name, migration.checksum, to_millis(clock.now())),
    )
