"""Looking at processes from outside."""

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet buried does not."""
    try:
        return _facts(pid)[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists() and _answers(pid)


def parent_of(pid: int) -> int:
    """The process that has started it. Linux only; OSError for one that is gone."""
    return int(_facts(pid)[1])


def _facts(pid: int) -> list[str]:
    """State, parent and so on (proc(5)); they come after the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
