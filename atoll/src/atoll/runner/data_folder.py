"""The data folder of a running system: its lock, its secrets, its databases, and the note of what runs."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from atoll.runner.running_system import RunningSystem


class DataFolderInUse(Exception):
    """Another `atoll up` works on this data folder."""


class DataFolder:
    """A folder that belongs to one running system at a time; made when first needed, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._given = path
        self._note = self.path / "system.json"
        self._lock = self.path / "up.lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process alone; raises DataFolderInUse. The lock goes with the process."""
        _create(self.path)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _try_lock(descriptor):
                raise DataFolderInUse(self._in_use(os.read(descriptor, 32).decode()))
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            yield
        finally:
            os.close(descriptor)

    def is_locked(self) -> bool:
        """Whether an `atoll up` works on this folder now."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def secret(self, name: str) -> str:
        """The secret of that name, 256 bits of chance; made when first asked for."""
        _create(self.path)
        _create(self.path / "secrets")
        path = self.path / "secrets" / name
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(32))
        return path.read_text(encoding="ascii")

    @property
    def chosen_database(self) -> str:
        """Where the databases of this folder's system are; empty when nobody has said so."""
        try:
            return (self.path / "databases").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def remember_database(self, choice: str) -> None:
        """Keep where the databases are; private, for there may be a password in it."""
        _replace(self.path / "databases", choice.encode())

    def database_url(self, service: str) -> str:
        """A database file of the service's own."""
        return f"sqlite:///{self.path / service}.db"

    def note(self, running: RunningSystem) -> None:
        """Write down what runs, for `atoll status` and the commands of the system; whole or not at all."""
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

    def _in_use(self, pid: str) -> str:
        return (
            f"The data folder {self._given} is in use by another `atoll up` (process {pid}). "
            "Stop that one, or choose another folder with --data."
        )


def _create(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_once(path: Path, text: str) -> None:
    """Make the file with all of its text, unless another process makes it first."""
    draft = _draft_of(path)
    _write_private(draft, text.encode())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def _replace(path: Path, content: bytes) -> None:
    draft = _draft_of(path)
    try:
        _write_private(draft, content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
