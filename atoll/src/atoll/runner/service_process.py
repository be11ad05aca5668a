"""One process of a service: started held, let go, listened to, ended."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from atoll.runner.child import LINE
from atoll.runner.log_lines import LogLines

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

    It leads a session of its own: a Ctrl-C at the terminal does not reach it, and whatever it has started
    ends with it.
    """

    def __init__(self, name: str, tell: Tell) -> None:
        self.name = name
        self.pid = 0
        self.is_held = True
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self.gone = asyncio.Event()
        self._own_reason = ""
        self._tell = tell
        self._line: asyncio.Transport | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._open_ends = {"line", "output", "life"}

    def __repr__(self) -> str:
        state = "gone" if self.gone.is_set() else "held" if self.is_held else "running"
        return f"<ServiceProcess {self.name} {self.pid} {state}>"

    @classmethod
    async def load(
        cls, name: str, kind: Literal["module", "command"], program: Sequence[str], tell: Tell
    ) -> "ServiceProcess":
        """Start a process that loads its program and waits for `go`; OSError when there can be no process."""
        process = cls(name, tell)
        ours, theirs = socket.socketpair()
        with theirs:
            loop = asyncio.get_running_loop()
            process._line, _ = await loop.create_connection(lambda: _SupervisorLine(process), sock=ours)
            await loop.subprocess_exec(
                lambda: _Output(process),
                *(sys.executable, "-m", "atoll.runner.child", str(os.getpid()), name, kind, *program),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, LINE: str(theirs.fileno()), "PYTHONUNBUFFERED": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return process

    def began(self, transport: asyncio.SubprocessTransport) -> None:
        """The process is there."""
        self._transport = transport
        self.pid = transport.get_pid()

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

    def printed(self, line: str) -> None:
        """The process printed a line."""
        self.last_lines.append(line)
        self._tell(Printed(self, line))

    def exited(self) -> None:
        """The process itself is gone. What it started and left behind goes too, and so lets go of our ends."""
        _send(os.killpg, self.pid, signal.SIGKILL)
        asyncio.get_running_loop().call_later(_LAST_WORDS, self._tell_end)
        self.closed("life")

    def closed(self, end: Literal["line", "output", "life"]) -> None:
        """Nothing more comes from there; when that is so everywhere, the end is told."""
        self._open_ends.discard(end)
        if not self._open_ends:
            self._tell_end()

    def _tell_end(self) -> None:
        if self.gone.is_set() or self._transport is None or self._line is None:
            return
        self.gone.set()
        self._line.close()
        self._transport.close()
        self._tell(Ended(self, _how(self._transport.get_returncode() or 0), self._own_reason))


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
        self._process.closed("line")


class _Output(asyncio.SubprocessProtocol):
    """What the process prints, line by line."""

    def __init__(self, process: ServiceProcess) -> None:
        self._process = process
        self._lines = LogLines()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - asyncio's promise
        self._process.began(transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._process.printed(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        for line in self._lines.end():
            self._process.printed(line)
        self._process.closed("output")

    def process_exited(self) -> None:
        self._process.exited()


def _send(send: Callable[[int, int], None], pid: int, number: signal.Signals) -> None:
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):  # gone already; a zombie's group on macOS
        return


def _how(exit_code: int) -> str:
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return "ended by itself" if exit_code == 0 else f"exited with code {exit_code}"
