"""Which process listens on a port, as far as Linux's /proc tells."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"
_LONGEST_COMMAND = 80


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens; `command` is its command line, cut to be read."""

    pid: int
    command: str


def holder_of(port: int, proc: Path = Path("/proc")) -> Holder | None:
    """The process listening on TCP `port`; None when it cannot be known (another user's, or no /proc)."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port, proc)}
    if not inodes:
        return None
    for pid in _pids(proc):
        if inodes.intersection(_open_files(proc / str(pid) / "fd")):
            return Holder(pid, _command(proc, pid))
    return None


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _pids(proc: Path) -> list[int]:
    return sorted(int(name) for name in os.listdir(proc) if name.isdigit())


def _open_files(folder: Path) -> Iterator[str]:
    try:
        for name in os.listdir(folder):
            try:
                yield os.readlink(folder / name)
            except OSError:  # closed meanwhile
                continue
    except OSError:  # another user's process, or gone
        return


def _command(proc: Path, pid: int) -> str:
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return "gone meanwhile"
    command = " ".join(words).strip()
    return command if len(command) <= _LONGEST_COMMAND else f"{command[:_LONGEST_COMMAND]}…"
