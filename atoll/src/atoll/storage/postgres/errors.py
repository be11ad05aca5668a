"""PostgreSQL's and asyncpg's errors, translated once into those of the port."""

import asyncpg

from atoll.storage.database import (
    CheckViolated,
    CommitFailed,
    CommitUncertain,
    ConstraintViolated,
    DatabaseError,
    DatabaseUnavailable,
    ForeignKeyViolated,
    NotNullViolated,
    StatementFailed,
    UniqueViolated,
)

ENGINE_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TypeError,
    ValueError,
    OverflowError,
)
"""What asking the server may raise: its own errors, those of the way there, and asyncpg's about values."""


class Interrupted(DatabaseUnavailable):
    """Nothing of it is there, for a reason that another attempt need not meet: a deadlock, a lost connection."""


_CONSTRAINTS: dict[str, type[ConstraintViolated]] = {
    "23505": UniqueViolated,
    "23514": CheckViolated,
    "23503": ForeignKeyViolated,
    "23502": NotNullViolated,
}

# Classes and codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_ANOTHER_GOT_AHEAD = ("40001", "40P01")  # serialization failure, deadlock
_CONNECTION_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03")
_OUT_OF_ORDER = ("53", "55P03", "57014", "57P04", "58")  # no room, locked for too long, cancelled, the machine
_REFUSED_AT_THE_DOOR = ("28", "3D", "42501")  # who we are, what database, what we may


def translated(error: Exception, *, lost: bool = False) -> DatabaseError:
    """The port's error for one of `ENGINE_ERRORS` that a statement raised; raise it `from` that one.

    `lost` says that its connection is no more.
    """
    if isinstance(error, asyncpg.PostgresError):
        return _translated(error, error.sqlstate or "")
    if isinstance(error, TimeoutError):
        return DatabaseUnavailable("The database did not answer in time.")
    if lost or isinstance(error, OSError):
        return Interrupted(f"The connection was lost: {error}")
    return StatementFailed(str(error))


def commit_error(error: Exception) -> DatabaseError:
    """The port's error for one of `ENGINE_ERRORS` that COMMIT raised."""
    if isinstance(error, asyncpg.InterfaceError):
        return Interrupted(f"The connection was lost before the commit: {error}")
    if isinstance(error, asyncpg.PostgresError) and _severity(error) == "ERROR":
        meaning = translated(error)
        return meaning if not isinstance(meaning, StatementFailed) else CommitFailed(f"Nothing was changed: {error}")
    return CommitUncertain(f"The connection was lost during the commit: {error}")


def unreachable(place: str, error: Exception) -> str:
    """In a sentence, that nobody can connect to `place`, and why."""
    words = str(error).split("\n", 1)[0]
    return f"The database {place} cannot be reached: {words or type(error).__name__}"


def is_hopeless(error: Exception) -> bool:
    """Whether trying again to connect is of no use until somebody has changed something."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_REFUSED_AT_THE_DOOR)
    return isinstance(error, asyncpg.ClientConfigurationError | TypeError)


def _translated(error: asyncpg.PostgresError, code: str) -> DatabaseError:
    if code.startswith("23"):
        return _CONSTRAINTS.get(code, ConstraintViolated)(str(error))
    if code in _ANOTHER_GOT_AHEAD or _is_outdated_plan(error):
        return Interrupted(str(error))
    if code.startswith(_CONNECTION_LOST):
        return Interrupted(f"The connection was lost: {error}")
    if code.startswith(_OUT_OF_ORDER):
        return DatabaseUnavailable(str(error))
    return StatementFailed(str(error))


def _is_outdated_plan(error: Exception) -> bool:
    """A migration has changed what a prepared statement returns; prepared anew, it works."""
    return isinstance(error, asyncpg.InvalidCachedStatementError)


def _severity(error: asyncpg.PostgresError) -> str:
    """ERROR when the connection lives on; empty when the error is asyncpg's own."""
    return str(error.severity_en or error.severity or "")
