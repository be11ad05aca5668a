"""Starting a program as a process, however that is done."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias


class Watcher(Protocol):
    """Is told what a process does."""

    def printed(self, data: bytes) -> None:
        """It printed these bytes."""

    def output_ended(self) -> None:
        """It prints nothing more, nor does anything that it has started."""

    def exited(self, code: int) -> None:
        """It is gone; a negative code is the signal that ended it."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process that leads a group of its own, in a session without the runner's terminal.

    `let_go` stops listening to its output.
    """

    pid: int
    let_go: Callable[[], None]


Given: TypeAlias = Mapping[str, socket.socket]
"""Open sockets for a process, by the names of the environment under which it finds their numbers.

Among them is its end of the supervisor line.
"""

Start: TypeAlias = Callable[[str, str, list[str], Given, Watcher], Awaitable[Started]]
"""Starts `program` of a `kind` (a Python module or a command) under a name, held: see `atoll.runner.child`."""


async def executed(name: str, kind: str, program: list[str], given: Given, watcher: Watcher) -> Started:
    """Start a Python of its own for the program; OSError when there can be no process."""
    transport, _ = await asyncio.get_running_loop().subprocess_exec(
        lambda: _Subprocess(watcher),
        *(sys.executable, "-m", "atoll.runner.child", str(os.getpid()), name, kind, *program),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **{each: str(found.fileno()) for each, found in given.items()}},
        pass_fds=[found.fileno() for found in given.values()],
        start_new_session=True,
    )
    return Started(transport.get_pid(), transport.close)


class _Subprocess(asyncio.SubprocessProtocol):
    """Passes on what asyncio tells of a process."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - asyncio's promise
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._watcher.printed(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._watcher.output_ended()

    def process_exited(self) -> None:
        self._watcher.exited(self._transport.get_returncode() or 0)
