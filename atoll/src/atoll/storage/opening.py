"""From the address of a database to the adapter that speaks to it."""

from urllib.parse import SplitResult, unquote, urlsplit

from atoll.clock import Clock
from atoll.storage.database import Database, ReadOnlyDatabase
from atoll.storage.sqlite import ReadOnlySqlite, SqliteDatabase

_EXAMPLE = "write sqlite:///data/orders.db, or sqlite:////var/lib/orders.db for an absolute path"


def open_database(url: str, *, clock: Clock | None = None) -> Database:
    """The database at `url`, to be entered before use; nothing is opened yet.

    After `sqlite:///` comes the path of a file, relative to the working directory unless it starts with `/`.
    ValueError says what is wrong with any other URL, without a password that it may hold.
    """
    return SqliteDatabase(_file_at(url), clock=clock)


def open_read_only(url: str) -> ReadOnlyDatabase:
    """The database at `url` for somebody who only looks at it, while its service runs or afterwards.

    To be entered before use, which raises `DatabaseUnavailable` when there is no such database. ValueError as for
    `open_database`.
    """
    return ReadOnlySqlite(_file_at(url))


def _file_at(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _file_of(parts)
    if parts.scheme in ("postgres", "postgresql"):
        raise ValueError(f"PostgreSQL is not supported yet; {_EXAMPLE}.")
    if parts.scheme:
        raise ValueError(f"{parts.scheme}:// is no database that is known here; {_EXAMPLE}.")
    raise ValueError(f"The address of a database starts with its kind; {_EXAMPLE}.")


def _file_of(parts: SplitResult) -> str:
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc:
        raise ValueError(f"sqlite:// needs three slashes before the path, not two; {_EXAMPLE}.")
    if path in ("", ":memory:"):
        raise ValueError(f"sqlite:// needs the path of a file; {_EXAMPLE}.")
    if parts.query or parts.fragment:
        raise ValueError(f"sqlite:// takes nothing after the path; {_EXAMPLE}.")
    return path
