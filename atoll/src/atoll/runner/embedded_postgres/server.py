"""One server process on one folder: made when it is not there, started, watched, stopped."""

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from atoll.lifecycle.errors import StartFailed
from atoll.observability.logging import get_logger
from atoll.runner.embedded_postgres.account import Account, account_for
from atoll.runner.embedded_postgres.binaries import binaries
from atoll.runner.embedded_postgres.passwords import ADMINISTRATOR, password_of, url_of
from atoll.runner.embedded_postgres.way_in import has_socket

START_LIMIT = 60.0
"""Seconds: after a crash the server first does again what its log says."""

STOP_LIMIT = 20.0
PREDECESSOR_LIMIT = 20.0

READY = "database system is ready to accept connections"
MOST_CONNECTIONS = 200

_PR_SET_PDEATHSIG = 1
_LINE = re.compile(r"(?P<level>[A-Z]+\d?):\s+(?P<words>.*)")
_WORTH_TELLING = {"WARNING": "warning", "ERROR": "error", "FATAL": "warning", "PANIC": "error"}

log = get_logger()


class PostgresServer:
    """PostgreSQL on `folder`, which it makes, below one that belongs to us.

    It speaks on `host` and `port`, and on a socket in the folder.

    Answered means durable, as on any server. Text is sorted by code points, as SQLite does. `programs` is the folder of
    `postgres` and `initdb`, by default the wheel's.
    """

    def __init__(self, folder: Path, *, host: str, port: int, secret: str, programs: Path | None = None) -> None:
        self._folder = folder
        self._host = host
        self._port = port
        self._secret = secret
        self._programs = programs
        self._process: asyncio.subprocess.Process | None = None
        self._printing: asyncio.Task[None] | None = None
        self._last_lines: deque[str] = deque(maxlen=10)
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        state = "ended" if self._ended.is_set() else "ready" if self._ready.is_set() else "not ready"
        return f"<PostgresServer on {self._folder}, port {self._port}, {state}>"

    @property
    def port(self) -> int:
        return self._port

    @property
    def administrator_url(self) -> str:
        """For those who make databases; with the password in it."""
        return url_of(ADMINISTRATOR, self._secret, self._port, host=self._host, database="postgres")

    async def start(self) -> None:
        """Return when it can be used; raises `StartFailed`."""
        programs, account = self._programs or binaries(), account_for(self._folder)
        _let_pass(self._folder.parent)
        account.refuse_unreachable([programs / "postgres", self._folder])
        if not (self._folder / "PG_VERSION").exists():
            await self._make(programs, account)
        await self._await_predecessor()
        self._port = self._port or _free_port(self._host)
        self._process = await _run([str(programs / "postgres"), *self._options()], account)
        self._printing = asyncio.create_task(self._print_lines(self._process))
        await self._until_ready()

    async def ended(self) -> None:
        """Wait until the process, once it was started, has ended."""
        await self._ended.wait()

    async def stop(self) -> None:
        """End every session, write everything down, and end."""
        if self._process is None or self._printing is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_LIMIT):
                    await self._ended.wait()
                    return

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": self._host,
            "port": self._port,
            "unix_socket_directories": self._folder if has_socket(self._folder) else "",
            "max_connections": MOST_CONNECTIONS,
            "log_line_prefix": "",
            "log_min_messages": "log",
            "log_checkpoints": "off",
        }
        return ["-D", str(self._folder), *(f"--{name}={value}" for name, value in settings.items())]

    async def _make(self, programs: Path, account: Account) -> None:
        """Beside its place and then moved there, so that what is there is whole."""
        draft = self._folder.with_name(f"{self._folder.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        account.own(draft)
        password = draft / "password"
        _write_private(password, password_of(ADMINISTRATOR, self._secret), account)
        how = [f"--username={ADMINISTRATOR}", f"--pwfile={password}", "--auth=scram-sha-256"]
        what = ["--encoding=UTF8", "--locale=C", "--no-instructions"]
        made = await _run([str(programs / "initdb"), "-D", str(draft / "data"), *how, *what], account)
        printed, _ = await made.communicate()
        password.unlink()
        if made.returncode:
            raise StartFailed(f"The PostgreSQL server cannot be made: {printed.decode(errors='replace').strip()}")
        (draft / "data").replace(self._folder)
        draft.rmdir()

    async def _await_predecessor(self) -> None:
        """A server of an earlier run, whose runner was killed, may still be stopping."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PREDECESSOR_LIMIT):
                while _is_running(self._folder / "postmaster.pid"):  # noqa: ASYNC110 - it is no child of ours
                    await asyncio.sleep(0.05)

    async def _until_ready(self) -> None:
        ready, ended = asyncio.create_task(self._ready.wait()), asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait([ready, ended], timeout=START_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        if not self._ready.is_set():
            await self.stop()
            raise StartFailed("The PostgreSQL server does not start: " + " ".join(self._last_lines))

    async def _print_lines(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - as it was started
        async for line in process.stdout:
            self._take(line.decode(errors="replace").rstrip())
        await process.wait()
        self._ended.set()

    def _take(self, line: str) -> None:
        self._last_lines.append(line)
        if READY in line:
            self._ready.set()
        parsed = _LINE.match(line)
        level = _WORTH_TELLING.get(parsed["level"], "debug") if parsed else "debug"
        getattr(log, level)("postgres", said=parsed["words"] if parsed else line)


async def _run(command: Sequence[str], account: Account) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"LC_ALL": "C", "PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
        cwd="/",
        preexec_fn=_prepared(account),
        start_new_session=False,
    )


def _prepared(account: Account) -> Callable[[], None]:
    """For a new process before it runs a program: the account, and on Linux an end in order when we are killed."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare() -> None:
        account.assume()
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)

    return prepare


def _let_pass(folder: Path) -> None:
    """Let others pass through the folder above, which is ours, though not look into it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.geteuid() == 0:
        folder.chmod(folder.stat().st_mode | 0o011)


def _write_private(path: Path, text: str, account: Account) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    account.own(path)


def _free_port(host: str) -> int:
    with socket.socket() as bound:
        bound.bind((host, 0))
        port: int = bound.getsockname()[1]
        return port


def _is_running(note: Path) -> bool:
    """Whether the server that wrote this `postmaster.pid` lives."""
    try:
        pid = int(note.read_text().split("\n", 1)[0])
        os.kill(pid, 0)
        return "postgres" in Path(f"/proc/{pid}/comm").read_text() if Path("/proc/self").exists() else True
    except (OSError, ValueError):
        return False
