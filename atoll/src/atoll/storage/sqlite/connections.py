"""How a connection to a SQLite file is opened. Everything here may block: call it in a thread."""

import contextlib
import os
import random
import time
from pathlib import Path

import apsw

from atoll.storage.database import DatabaseUnavailable

CACHED_STATEMENTS = 512
LARGEST_LEFTOVER_WAL = 64 * 1024 * 1024  # bytes kept on disk after a burst


def open_for_writing(path: Path, vfs: str | None, patience: float) -> apsw.Connection:
    """A connection that may write: WAL, and an fsync for every commit. Makes the file when there is none."""
    _make_private(path)
    connection = _open(path, vfs, patience)
    connection.pragma("synchronous", "FULL")
    connection.pragma("fullfsync", True)  # on macOS a plain fsync leaves data in the drive's cache
    connection.pragma("foreign_keys", True)
    connection.pragma("journal_size_limit", LARGEST_LEFTOVER_WAL)
    return connection


def open_for_reading(path: Path, vfs: str | None, patience: float) -> apsw.Connection:
    """A connection that cannot write, and never checkpoints."""
    connection = _open(path, vfs, patience)
    connection.pragma("query_only", True)
    connection.pragma("wal_autocheckpoint", 0)
    return connection


def open_read_only(path: Path, vfs: str | None, patience: float) -> apsw.Connection:
    """A connection to a file that is there already, which leaves it and its WAL as they are."""
    if not path.is_file():
        raise DatabaseUnavailable(f"There is no database {path}.")
    try:
        connection = apsw.Connection(
            str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs, statementcachesize=CACHED_STATEMENTS
        )
    except apsw.Error as error:
        raise DatabaseUnavailable(f"The database {path} cannot be opened: {error}") from error
    wait_for_lock(connection, patience)
    return connection


def wait_for_lock(connection: apsw.Connection, patience: float) -> None:
    """Let statements wait up to `patience` seconds for another process; 0 makes them fail at once.

    Asks about every millisecond: SQLite's own pauses grow to 100 ms, and would starve beside a busy writer.
    """
    give_up_at = time.monotonic() + patience

    def ask_again(_attempts: int) -> bool:
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(random.uniform(0.0005, 0.0015))  # noqa: S311  # jitter, not a secret
        return True

    connection.set_busy_handler(ask_again if patience > 0 else None)


def _open(path: Path, vfs: str | None, patience: float) -> apsw.Connection:
    try:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        connection = apsw.Connection(str(path), flags=flags, vfs=vfs, statementcachesize=CACHED_STATEMENTS)
        wait_for_lock(connection, patience)
        # Words in double quotes are names, as everywhere else, never text.
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        journal = _switch_to_wal(connection, patience)
        wait_for_lock(connection, 0)
    except apsw.Error as error:
        raise DatabaseUnavailable(f"The database {path} cannot be opened: {error}") from error
    if journal != "wal":
        raise DatabaseUnavailable(f"The database {path} is on a file system without write-ahead logging.")
    return connection


def _switch_to_wal(connection: apsw.Connection, patience: float) -> object:
    """SQLite does not wait when two processes switch the same new file at once; so this does."""
    give_up_at = time.monotonic() + patience
    while True:
        try:
            return connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(0.005)


def _make_private(path: Path) -> None:
    """A new file, and the WAL beside it, can be read by its owner only.

    One that is there is not opened: to close it again would drop the POSIX locks of every other connection that
    this process has to it (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise DatabaseUnavailable(f"The database {path} cannot be made: {error.strerror}.") from error
