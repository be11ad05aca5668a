"""One process of a service: started held, let go, listened to, ended."""

import asyncio
import json
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from atoll.lifecycle.sockets import DOOR_FD
from atoll.lifecycle.supervisor_line import SUPERVISOR_FD
from atoll.runner.log_lines import LogLines
from atoll.runner.starting import Start, executed

_LAST_LINES = 20
_LAST_WORDS = 0.5
"""Seconds after the end of a process in which something it printed may still arrive."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The process serves; `ports` are the bound ones, by the names of their settings."""

    process: "ServiceProcess"
    ports: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BeganToStop:
    """The process has begun to stop."""

    process: "ServiceProcess"


@dataclass(frozen=True, slots=True)
class Printed:
    """The process printed a line."""

    process: "ServiceProcess"
    line: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is gone and all that it printed was told; `reason` ends the sentence "orders …".

    `own_reason` is a sentence that the process left about it, or empty.
    """

    process: "ServiceProcess"
    reason: str
    own_reason: str = ""


ProcessEvent: TypeAlias = Ready | BeganToStop | Printed | Ended
Tell: TypeAlias = Callable[[ProcessEvent], None]


class ServiceProcess:
    """A running process of the service `name`. What happens to it is told through the callback given to `load`.

    A Ctrl-C at the terminal does not reach it, and whatever it has started ends with it.
    """

    def __init__(self, name: str, tell: Tell) -> None:
        self.name = name
        self.pid = 0
        self.is_held = True
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self.gone = asyncio.Event()
        self._own_reason = ""
        self._exit_code = 0
        self._tell = tell
        self._line: asyncio.Transport | None = None
        self._let_go: Callable[[], None] | None = None
        self._lines = LogLines()
        self._open_ends = {"line", "output", "life"}

    def __repr__(self) -> str:
        state = "gone" if self.gone.is_set() else "held" if self.is_held else "running"
        return f"<ServiceProcess {self.name} {self.pid} {state}>"

    @classmethod
    async def load(
        cls,
        name: str,
        kind: Literal["module", "command"],
        program: list[str],
        tell: Tell,
        *,
        start: Start = executed,
        door: socket.socket | None = None,
    ) -> "ServiceProcess":
        """Start a process that loads its program and waits for `go`; OSError when there can be no process.

        A `door`, a listening socket, is handed to it, and stays ours as well.
        """
        process = cls(name, tell)
        ours, theirs = socket.socketpair()
        with theirs:
            loop = asyncio.get_running_loop()
            process._line, _ = await loop.create_connection(lambda: _SupervisorLine(process), sock=ours)
            given = {SUPERVISOR_FD: theirs} if door is None else {SUPERVISOR_FD: theirs, DOOR_FD: door}
            started = await start(name, kind, program, given, process)
        process.pid, process._let_go = started.pid, started.let_go
        return process

    def go(self, environment: Mapping[str, str]) -> None:
        """Let the program run, with `environment` added to the runner's own."""
        assert self._line is not None  # noqa: S101 - load() made it
        self.is_held = False
        self._line.write(json.dumps({"go": dict(environment)}).encode() + b"\n")

    def terminate(self) -> None:
        """Ask the process to stop (SIGTERM)."""
        if not self.gone.is_set():
            _send(os.kill, self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process, and whatever it has started, now (SIGKILL)."""
        if not self.gone.is_set():
            _send(os.killpg, self.pid, signal.SIGKILL)

    def tell_ready(self, ports: Mapping[str, int]) -> None:
        """Take the process as ready: it said so, or its health was seen from outside."""
        self._tell(Ready(self, ports))

    def heard(self, message: Mapping[str, Any]) -> None:
        """The process wrote `message` on the supervisor line; what we do not know is left for later versions."""
        if isinstance(ports := message.get("ready"), dict):
            self.tell_ready({name: port for name, port in ports.items() if isinstance(port, int)})
        if message.get("stopping"):
            self._tell(BeganToStop(self))
        if isinstance(reason := message.get("failed"), str):
            self._own_reason = reason

    def printed(self, data: bytes) -> None:
        """The process printed these bytes."""
        self._tell_lines(self._lines.feed(data))

    def output_ended(self) -> None:
        """Nobody prints anything more; a last line without an end counts too."""
        self._tell_lines(self._lines.end())
        self._closed("output")

    def line_ended(self) -> None:
        """The process says nothing more on the supervisor line."""
        self._closed("line")

    def exited(self, code: int) -> None:
        """The process itself is gone. What it started and left behind goes too, and so lets go of our ends."""
        self._exit_code = code
        _send(os.killpg, self.pid, signal.SIGKILL)
        asyncio.get_running_loop().call_later(_LAST_WORDS, self._tell_end)
        self._closed("life")

    def _tell_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.last_lines.append(line)
            self._tell(Printed(self, line))

    def _closed(self, end: Literal["line", "output", "life"]) -> None:
        """Nothing more comes from there; when that is so everywhere, the end is told."""
        self._open_ends.discard(end)
        if not self._open_ends:
            self._tell_end()

    def _tell_end(self) -> None:
        if self.gone.is_set() or self._let_go is None or self._line is None:
            return
        self.gone.set()
        self._line.close()
        self._let_go()
        self._tell(Ended(self, _how(self._exit_code), self._own_reason))


class _SupervisorLine(asyncio.Protocol):
    """Our end of the line: JSON objects, one a line."""

    def __init__(self, process: ServiceProcess) -> None:
        self._process = process
        self._lines = LogLines()

    def data_received(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                self._process.heard(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._process.line_ended()


def _send(send: Callable[[int, int], None], pid: int, number: signal.Signals) -> None:
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):  # gone already; a zombie's group on macOS
        return


def _how(exit_code: int) -> str:
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return "ended by itself" if exit_code == 0 else f"exited with code {exit_code}"
