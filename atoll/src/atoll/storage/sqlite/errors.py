"""SQLite's errors, translated once into those of the port."""

import apsw

from atoll.storage.database import (
    CheckViolated,
    ConstraintViolated,
    DatabaseError,
    DatabaseUnavailable,
    ForeignKeyViolated,
    NotNullViolated,
    StatementFailed,
    UniqueViolated,
)

ENGINE_ERRORS = (apsw.Error, TypeError, ValueError, OverflowError)
"""What a statement may raise: SQLite's own errors, and apsw's about values that SQLite cannot hold."""

_CONSTRAINTS: dict[int, type[ConstraintViolated]] = {
    apsw.SQLITE_CONSTRAINT_UNIQUE: UniqueViolated,
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY: UniqueViolated,
    apsw.SQLITE_CONSTRAINT_ROWID: UniqueViolated,
    apsw.SQLITE_CONSTRAINT_CHECK: CheckViolated,
    apsw.SQLITE_CONSTRAINT_FOREIGNKEY: ForeignKeyViolated,
    apsw.SQLITE_CONSTRAINT_NOTNULL: NotNullViolated,
}

_UNAVAILABLE = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.ProtocolError,
)


def translated(error: Exception) -> DatabaseError:
    """The port's error for one of `ENGINE_ERRORS`; raise it `from` that one."""
    if isinstance(error, apsw.ConstraintError):
        code = getattr(error, "extendedresult", 0)  # left out of apsw's types
        return _CONSTRAINTS.get(code, ConstraintViolated)(str(error))
    if isinstance(error, _UNAVAILABLE):
        return DatabaseUnavailable(str(error))
    return StatementFailed(str(error))
