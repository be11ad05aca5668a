"""One server process on one folder: started, watched, stopped."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

from atoll.lifecycle.errors import StartFailed
from atoll.observability.logging import get_logger
from atoll.runner.embedded_valkey.binaries import server_program

START_LIMIT = 60.0
"""Seconds: at first it reads all that it was given back from the disk."""

STOP_LIMIT = 20.0

PREDECESSOR_LIMIT = 20.0

_CONFIGURATION = """
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
"""

_READY = "Ready to accept connections"
_NO_NEWS = ("WARNING Memory overcommit", "Valkey is now ready to exit")
"""Advice for machines with nothing else to do, and a farewell: no warnings for us."""

_PR_SET_PDEATHSIG = 1

log = get_logger()


class ValkeyServer:
    """Valkey on `folder`, which it makes. Every command is on the disk before it is answered.

    It listens on a `socket` of that path, for our own account, and nowhere else. Enter it as an async context manager:
    it runs within.
    """

    def __init__(self, folder: Path, socket: Path) -> None:
        self._folder = folder.absolute()
        self._socket = socket.absolute()
        self._process: asyncio.subprocess.Process | None = None
        self._printing: asyncio.Task[None] | None = None
        self._last_lines: deque[str] = deque(maxlen=10)
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        state = "ended" if self._ended.is_set() else "ready" if self._ready.is_set() else "not ready"
        return f"<ValkeyServer on {self._folder}, {state}>"

    @property
    def pid(self) -> int:
        """0 while there is no process."""
        return self._process.pid if self._process else 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return when it can be used; raises `StartFailed`."""
        program = server_program()
        for folder in (self._folder, self._socket.parent):
            _make_private(folder)
        lock = await self._lock()
        try:
            await self._run(program, lock)
        finally:
            os.close(lock)
        await self._until_ready()

    async def _lock(self) -> int:
        """The lock of the folder, as a descriptor that the server inherits: a predecessor may still be stopping."""
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        give_up_at = time.monotonic() + PREDECESSOR_LIMIT
        while not _is_free(lock):
            if time.monotonic() >= give_up_at:
                os.close(lock)
                raise StartFailed(f"The Valkey server does not start: another one works on {self._folder}.")
            await asyncio.sleep(0.02)
        return lock

    async def _run(self, program: Path, lock: int) -> None:
        self._process = await asyncio.create_subprocess_exec(
            str(program),
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._folder,
            pass_fds=[lock],
            preexec_fn=_ending_with_us(),
        )
        self._printing = asyncio.create_task(self._print_lines(self._process))
        await self._configure(self._process)

    async def ended(self) -> None:
        """Wait until the process, once it was started, has ended."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Let it write everything down and end."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.send(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_LIMIT):
                    await self._ended.wait()
                    return

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._process is None:
            self._ended.set()
        elif not self._ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _configure(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - as it was started
        process.stdin.write(_CONFIGURATION.format(socket=_quoted(self._socket), folder=_quoted(self._folder)).encode())
        process.stdin.close()
        with contextlib.suppress(ConnectionError):  # it has ended already; its last lines say why
            await process.stdin.wait_closed()

    async def _until_ready(self) -> None:
        ready, ended = asyncio.create_task(self._ready.wait()), asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait([ready, ended], timeout=START_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        if not self._ready.is_set():
            await self.stop()
            raise StartFailed("The Valkey server does not start: " + " ".join(self._last_lines))

    async def _print_lines(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - as it was started
        async for line in process.stdout:
            self._take(line.decode(errors="replace").rstrip())
        await process.wait()
        self._ended.set()

    def _take(self, line: str) -> None:
        """A line is `pid:role date # words`, where the sign is the level: `#` is a warning."""
        self._last_lines.append(line)
        if _READY in line:
            self._ready.set()
        head, is_warning, words = line.partition(" # ")
        tell = log.warning if is_warning and not words.startswith(_NO_NEWS) else log.debug
        tell("valkey", said=words or head)


def _ending_with_us() -> Callable[[], None] | None:
    """For the new process: on Linux, to end in order when we are killed."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _make_private(folder: Path) -> None:
    """Make the folder; `StartFailed` when it is there and somebody else's, who could listen in our place."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.geteuid():
        raise StartFailed(f"The Valkey server does not start: {folder} belongs to somebody else.")


def _is_free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _quoted(text: object) -> str:
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
