"""How the server is reached: by a socket in its folder, which costs a sixth less CPU time than TCP, or else by TCP."""

import os
from pathlib import Path

HOST = "127.0.0.1"
"""Never another address: for others there are real servers."""

LONGEST_PATH = 100
"""Bytes that the path of a socket may have: 107 on Linux, 103 on macOS."""


def host_for(folder: Path) -> str:
    """Where those on this machine find the server on `folder`: the folder of its socket, if it has one."""
    return str(folder) if has_socket(folder) else HOST


def has_socket(folder: Path) -> bool:
    """Whether the path of a socket in the folder, whatever the port, is not too long."""
    return len(os.fsencode(folder / ".s.PGSQL.65535")) <= LONGEST_PATH
