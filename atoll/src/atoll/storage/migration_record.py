"""What a database knows of the migrations that were applied to it, the same in every engine.

It is written with the first migration, and so are the other tables that the platform has in every database.
"""

from collections.abc import Mapping, Sequence

from atoll.storage.database import MigrationFailed
from atoll.storage.migrations import Migration, in_order

TABLES = {
    "atoll_migrations": """
        CREATE TABLE IF NOT EXISTS atoll_migrations (
            version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL
        )
    """,
    "atoll_leases": """
        CREATE TABLE IF NOT EXISTS atoll_leases (
            name TEXT PRIMARY KEY, holder TEXT NOT NULL, beat BIGINT NOT NULL
        )
    """,
}
READ = "SELECT version, name, checksum FROM atoll_migrations"
ADD = "INSERT INTO atoll_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)"


def checked_order(migrations: Sequence[Migration]) -> list[Migration]:
    """Sorted by number; `MigrationFailed` when the numbers are not 1, 2, 3, … without a gap."""
    try:
        return in_order(migrations)
    except ValueError as error:
        raise MigrationFailed(str(error)) from error


def refuse_differences(applied: Mapping[int, tuple[str, str]], expected: Sequence[Migration]) -> None:
    """`MigrationFailed` when a database, with name and checksum of each version, is not what the code expects."""
    known = {migration.version: migration for migration in expected}
    for version, (name, checksum) in applied.items():
        if version not in known:
            raise MigrationFailed(
                f"The database has migration {version:04}_{name}, which this code does not know: it is older."
            )
        if known[version].checksum != checksum:
            raise MigrationFailed(
                f"Migration {known[version]} was changed after it was applied as {name}. Undo that, and add a new one."
            )
