"""Where a service keeps what it owns: the `Database` port, its adapters, and migrations."""

from atoll.storage.database import (
    CheckViolated,
    CommitFailed,
    CommitUncertain,
    ConstraintViolated,
    Database,
    DatabaseError,
    DatabaseUnavailable,
    ForeignKeyViolated,
    MigrationFailed,
    NotNullViolated,
    Reading,
    ReadOnlyDatabase,
    Row,
    StatementFailed,
    Transaction,
    TransactionSuspended,
    UniqueViolated,
    Value,
)
from atoll.storage.migrations import Migration, load_migrations
from atoll.storage.opening import open_database, open_read_only
from atoll.storage.statements import listing

__all__ = [
    "CheckViolated",
    "CommitFailed",
    "CommitUncertain",
    "ConstraintViolated",
    "Database",
    "DatabaseError",
    "DatabaseUnavailable",
    "ForeignKeyViolated",
    "Migration",
    "MigrationFailed",
    "NotNullViolated",
    "ReadOnlyDatabase",
    "Reading",
    "Row",
    "StatementFailed",
    "Transaction",
    "TransactionSuspended",
    "UniqueViolated",
    "Value",
    "listing",
    "load_migrations",
    "open_database",
    "open_read_only",
]
