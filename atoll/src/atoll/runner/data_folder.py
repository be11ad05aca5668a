"""The data folder of a running system: its lock, its secrets, its databases, and the note of what runs."""

import fcntl
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from atoll.runner.running_system import RunningSystem

LOOKING_TAKES = 0.2
"""Seconds, and far more than it does: whoever only looks whether the folder is in use holds its lock for a moment."""


class DataFolderUnusable(Exception):
    """The data folder cannot be worked with; the message says why and what to do."""


class DataFolderInUse(DataFolderUnusable):
    """Another `atoll up` works on this data folder."""


class DataFolder:
    """A folder that belongs to one running system at a time; made when first needed, readable by its owner only.

    What the system refuses (a folder of somebody else, a read-only or full disk) is raised as DataFolderUnusable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._given = path
        self._note = self.path / "system.json"
        self._lock = self.path / "up.lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process alone; raises DataFolderInUse. The lock goes with the process."""
        with self._usable():
            _create(self.path)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _lock(descriptor):
                raise DataFolderInUse(self._in_use(os.read(descriptor, 32).decode()))
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            yield
        finally:
            os.close(descriptor)

    def is_locked(self) -> bool:
        """Whether an `atoll up` works on this folder now."""
        try:
            with self._usable():
                descriptor = os.open(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def secret(self, name: str) -> str:
        """The secret of that name, 256 bits of chance; made when first asked for."""
        path = self.path / "secrets" / name
        with self._usable():
            _create(self.path)
            _create(path.parent)
            if not path.exists():
                _write_once(path, secrets.token_urlsafe(32))
            return path.read_text(encoding="ascii")

    @property
    def chosen_database(self) -> str:
        """Where the databases of this folder's system are; empty when nobody has said so."""
        try:
            with self._usable():
                return (self.path / "databases").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def remember_database(self, choice: str) -> None:
        """Keep where the databases are; private, for there may be a password in it."""
        with self._usable():
            _replace(self.path / "databases", choice.encode())

    def database_url(self, service: str) -> str:
        """A database file of the service's own."""
        return f"sqlite:///{self.path / service}.db"

    def note(self, running: RunningSystem) -> None:
        """Write down what runs, for `atoll status` and the commands of the system; whole or not at all. OSError."""
        _replace(self._note, msgspec.json.format(msgspec.json.encode(running), indent=2))

    def forget(self) -> None:
        """Nothing runs any more."""
        self._note.unlink(missing_ok=True)

    def running(self) -> RunningSystem | None:
        """What runs on this folder now; None when nothing does, whatever an older note says."""
        if not self.is_locked():
            return None
        with suppress(FileNotFoundError):
            return msgspec.json.decode(self._note.read_bytes(), type=RunningSystem)
        return None

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Within, what the system refuses is told in a sentence; what is not there is for the caller to judge."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = f"{error.filename or self._given}: {error.strerror or error}"
            raise DataFolderUnusable(
                f"The data folder {self._given} cannot be used: {reason}. Choose another one with --data."
            ) from error

    def _in_use(self, pid: str) -> str:
        return (
            f"The data folder {self._given} is in use by another `atoll up` (process {pid}). "
            "Stop that one, or choose another folder with --data."
        )


def _create(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(PermissionError):  # one may make folders where one may not look
            _sync(folder.parent)


def _lock(descriptor: int) -> bool:
    give_up_at = time.monotonic() + LOOKING_TAKES
    while not _try_lock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(0.002)
    return True


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_once(path: Path, text: str) -> None:
    """Make the file with all of its text, unless another process makes it first; there to stay, when this returns.

    Without a secret that a database was made with, nobody comes to its data any more.
    """
    draft = _draft_of(path)
    try:
        _write_private(draft, text.encode())
        _sync(draft)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _replace(path: Path, content: bytes) -> None:
    draft = _draft_of(path)
    try:
        _write_private(draft, content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, outlive a failure of the power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if sys.platform == "darwin":  # where it leaves data in the drive's cache
            with suppress(OSError):  # of a file system that knows no more than fsync
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    finally:
        os.close(descriptor)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
