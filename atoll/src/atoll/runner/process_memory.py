"""How much memory a process holds."""

import os
from pathlib import Path


def resident_memory(pid: int) -> int | None:
    """The bytes in memory now, those shared with others included; None where /proc does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
