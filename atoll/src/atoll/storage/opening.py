"""From the address of a database to the adapter that speaks to it, which is loaded only then."""

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from atoll.clock import Clock
from atoll.storage.database import Database, ReadOnlyDatabase

if TYPE_CHECKING:
    from atoll.storage.postgres import Address

_EXAMPLE = (
    "write sqlite:///data/orders.db, or sqlite:////var/lib/orders.db for an absolute path,"
    " or postgresql://user:password@host:5432/orders"
)
_POSTGRES = ("postgresql", "postgres")


class AddressInvalid(ValueError):
    """The URL of a database means nothing; the message says why, without a password that it may hold."""


def open_database(url: str, *, clock: Clock | None = None) -> Database:
    """The database at `url`, to be entered before use; nothing is opened yet.

    After `sqlite:///` comes the path of a file, relative to the working directory unless it starts with `/`. What
    may come after `postgresql://` is told by `storage.postgres.address`. AddressInvalid says what is wrong with
    any other URL, without a password that it may hold.
    """
    if _scheme(url) in _POSTGRES:
        address = _postgres_address(url)
        from atoll.storage.postgres import PostgresDatabase

        return PostgresDatabase(address, clock=clock)
    from atoll.storage.sqlite import SqliteDatabase

    return SqliteDatabase(_file_of(urlsplit(url)), clock=clock)


def open_read_only(url: str) -> ReadOnlyDatabase:
    """The database at `url` for somebody who only looks at it, while its service runs or afterwards.

    To be entered before use, which raises `DatabaseUnavailable` when there is no such database. AddressInvalid as
    for `open_database`.
    """
    if _scheme(url) in _POSTGRES:
        address = _postgres_address(url)
        from atoll.storage.postgres import ReadOnlyPostgres

        return ReadOnlyPostgres(address)
    from atoll.storage.sqlite import ReadOnlySqlite

    return ReadOnlySqlite(_file_of(urlsplit(url)))


def _scheme(url: str) -> str:
    """One that is known; AddressInvalid for any other."""
    scheme = url.partition(":")[0].lower() if ":" in url else ""
    if scheme in ("sqlite", *_POSTGRES):
        return scheme
    if scheme:
        raise AddressInvalid(f"{scheme}:// is no database that is known here; {_EXAMPLE}.")
    raise AddressInvalid(f"The address of a database starts with its kind; {_EXAMPLE}.")


def _postgres_address(url: str) -> "Address":
    try:
        from atoll.storage.postgres import parse_address
    except ModuleNotFoundError as missing:
        if missing.name != "asyncpg":
            raise
        raise AddressInvalid("PostgreSQL needs asyncpg; install it with: pip install 'atoll[postgres]'") from missing
    try:
        return parse_address(url)
    except ValueError as error:
        raise AddressInvalid(str(error)) from None  # the cause may hold a password


def _file_of(parts: SplitResult) -> str:
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc:
        raise AddressInvalid(f"sqlite:// needs three slashes before the path, not two; {_EXAMPLE}.")
    if path in ("", ":memory:"):
        raise AddressInvalid(f"sqlite:// needs the path of a file; {_EXAMPLE}.")
    if parts.query or parts.fragment:
        raise AddressInvalid(f"sqlite:// takes nothing after the path; {_EXAMPLE}.")
    return path
