"""The one connection that writes: its transaction, its savepoints, and its way back to a clean state.

Used by the event loop and by the committing thread in turn, never by both at once.
"""

from pathlib import Path

import apsw

from atoll.storage.database import ForeignKeyViolated
from atoll.storage.sqlite.connections import open_for_writing, wait_for_lock


class WritingConnection:
    """Raises SQLite's own errors; what they mean for whom is the business of `GroupCommit`."""

    def __init__(self, path: Path, vfs: str | None, lock_timeout: float) -> None:
        """Opens the file, waiting up to `lock_timeout` seconds when another process holds it."""
        self._path = path
        self._vfs = vfs
        self._lock_timeout = lock_timeout
        self._broken = False
        self._open()

    @property
    def in_transaction(self) -> bool:
        return self.engine.in_transaction

    def begin_at_once(self) -> bool:
        """Start a transaction that may write; False when that needs patience: another process is writing."""
        if self._broken:
            return False
        try:
            self.cursor.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            return False
        return True

    def begin_patiently(self) -> None:
        """The same, waiting for the other process up to the lock time-out. Blocks: for a thread."""
        if self._broken:
            self._open()
            self._broken = False
        wait_for_lock(self.engine, self._lock_timeout)
        try:
            self.cursor.execute("BEGIN IMMEDIATE")
        finally:
            wait_for_lock(self.engine, 0)

    def commit(self) -> None:
        """Make the transaction durable. Blocks for an fsync: for a thread. Roll back when it raises."""
        self.cursor.execute("COMMIT")

    def roll_back(self) -> None:
        """Be in no transaction, whatever happened before. Never raises; at worst the next one opens anew."""
        try:
            if self.engine.in_transaction:
                self.cursor.execute("ROLLBACK")
        except apsw.Error:
            self._broken = True
            self.engine.close(True)

    def start_body(self) -> None:
        self.cursor.execute("SAVEPOINT body")

    def keep_body(self) -> None:
        """Keep what the body did; `ForeignKeyViolated` when a foreign key that waits for the commit is broken.

        Left to the commit, one body's mistake would refuse the whole group.
        """
        if self.engine.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            raise ForeignKeyViolated("FOREIGN KEY constraint failed")
        self.cursor.execute("RELEASE body")

    def undo_body(self) -> None:
        self.cursor.execute("ROLLBACK TO body")
        self.cursor.execute("RELEASE body")

    def close(self) -> None:
        """Blocks: the last connection to close writes the WAL back into the file."""
        self.engine.close(True)

    def _open(self) -> None:
        self.engine = open_for_writing(self._path, self._vfs, self._lock_timeout)
        self.cursor = self.engine.cursor()
