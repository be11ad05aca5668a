"""SQLite behind the `Database` port.

One connection writes and checkpoints, one reads on the event loop, and every stream has one of its own:

    database.py      SqliteDatabase: the port, joined from the parts below      ← start here
    group_commit.py  many callers, one transaction, one fsync
    bodies.py        runs a body's coroutine to its end, and what it may use meanwhile
    writing.py       the writing connection: begin, savepoints, commit, and back to a clean state
    reading.py       short reads on the loop
    streaming.py     long reads in threads
    migrating.py     the schema
    read_only.py     ReadOnlySqlite: for those who only look
    connections.py   how a connection is opened
    statements.py    `$1` → `?1`, and what a statement may not be
    errors.py        SQLite's errors → the port's

The file must not be opened with the standard library's `sqlite3` in the same process: that is another copy of SQLite,
and POSIX locks do not keep two copies in one process apart.
"""

from atoll.storage.sqlite.database import SqliteDatabase
from atoll.storage.sqlite.read_only import ReadOnlySqlite

__all__ = ["ReadOnlySqlite", "SqliteDatabase"]
