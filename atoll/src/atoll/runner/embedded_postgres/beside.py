"""The embedded server beside a program that needs it for a while: a command, or tests."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from atoll.lifecycle.supervisor_line import SUPERVISOR_FD


class ServerFailed(Exception):
    """It does not start; the message says why."""


@dataclass(frozen=True)
class ServerBeside:
    """The running process around the server, and the ports that it has bound, by name."""

    process: "subprocess.Popen[bytes]"
    ports: Mapping[str, int]


@contextlib.contextmanager
def server_beside(settings: Mapping[str, str]) -> Iterator[ServerBeside]:
    """Start the server with these settings, by their names in the environment; it stops with the block, or with us.

    Raises `ServerFailed`.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "atoll.runner.embedded_postgres"],
                env={**os.environ, "PORT": "0", **settings, SUPERVISOR_FD: str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        with process:
            try:
                yield ServerBeside(process, _ready(ours))
            finally:
                process.terminate()


def _ready(line: socket.socket) -> Mapping[str, int]:
    with line.makefile() as words:
        told = json.loads(words.readline() or "{}")
    if "ready" not in told:
        raise ServerFailed(told.get("failed", "The PostgreSQL server ended before it could be used."))
    ports: Mapping[str, int] = told["ready"]
    return ports
