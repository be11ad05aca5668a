"""The runner's end of fork servers."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

from atoll.runner.starting import Given, Started, Watcher, executed

T = TypeVar("T")

PRELOADED = (
    "atoll.service",
    "atoll.lifecycle",
    "atoll.neighbours",
    "atoll.registry.app",
    "atoll.gateway.app",
    "atoll.events.valkey",
    "atoll.storage.sqlite",
    "uvloop",
)
"""What most programs of a system need. Nothing of their own: a service's modules are in its own process alone."""


class CannotFork(Exception):
    """The fork server is gone, is stale, or has no more processes to give."""


class Forks:
    """Starts programs as forks where that can be, and executes them elsewhere.

    A fork server whose files have changed since it loaded them is stale, and a new one takes its place: whatever is
    started again runs the code that is there then. The old one stays until its last fork is gone.
    """

    def __init__(self, preloaded: Sequence[str] = PRELOADED) -> None:
        self._preloaded = preloaded
        self._server: _ForkServer | None = None
        self._all: list[_ForkServer] = []
        self._turn = asyncio.Lock()
        self._are_possible = sys.platform == "linux" and hasattr(os, "pidfd_open")

    async def start(self, name: str, kind: str, program: list[str], given: Given, watcher: Watcher) -> Started:
        """As `atoll.runner.starting.executed`; OSError when there can be no process."""
        if kind == "module" and self._are_possible:
            async with self._turn:
                for _ in range(2):
                    try:
                        return await (await self._present()).start([name, *program], given, watcher)
                    except (CannotFork, OSError):
                        self._retire()
        return await executed(name, kind, program, given, watcher)

    async def close(self) -> None:
        """End the fork servers, and with them whatever they have forked; returns when none is left."""
        for server in self._all:
            await server.close()

    async def _present(self) -> "_ForkServer":
        if self._server is None:
            self._server = await _ForkServer.open(self._preloaded)
            self._all.append(self._server)
        return self._server

    def _retire(self) -> None:
        if self._server is not None:
            self._server.retire()
        self._server = None


class _ForkServer:
    """One process of `atoll.runner.forking`; it is asked one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self._process = process
        self._line = line
        self._turn = asyncio.Lock()
        self._is_retired = False
        self._forks: set[int] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(cls, preloaded: Sequence[str]) -> Self:
        """Start it; it loads what it shall while it is asked for the first time."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "atoll.runner.forking", str(os.getpid()), str(theirs.fileno()), *preloaded),
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return cls(process, ours)

    async def start(self, program: list[str], given: Given, watcher: Watcher) -> Started:
        """A fork that runs the program. Raises CannotFork."""
        reading, writing = os.pipe()
        try:
            pid = await self._fork(program, given, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        output, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: _Output(watcher), os.fdopen(reading, "rb")
        )
        self._watch(pid, watcher)
        return Started(pid, output.close)

    def retire(self) -> None:
        """Have it end with its last fork."""
        self._is_retired = True
        if not self._forks:
            self._line.close()

    async def close(self) -> None:
        """Hang up; returns when it is gone."""
        self._line.close()
        await self._process.wait()

    async def _fork(self, program: list[str], given: Given, output: int) -> int:
        descriptors = [output, *(each.fileno() for each in given.values())]
        answer = await self._ask({"fork": program, "given": list(given)}, descriptors)
        if "pid" not in answer:
            raise CannotFork(answer.get("error", "its files have changed"))
        return int(answer["pid"])

    def _watch(self, pid: int, watcher: Watcher) -> None:
        """Tell the watcher when the process has ended."""
        loop = asyncio.get_running_loop()
        process = os.pidfd_open(pid)
        self._forks.add(pid)

        def ended() -> None:
            loop.remove_reader(process)
            os.close(process)
            self._kept(self._reap(pid, watcher))

        loop.add_reader(process, ended)

    async def _reap(self, pid: int, watcher: Watcher) -> None:
        try:
            code = (await self._ask({"reap": pid}, []))["code"]
        except CannotFork:  # it went with the fork server
            code = -signal.SIGKILL
        watcher.exited(code)
        self._forks.discard(pid)
        if self._is_retired and not self._forks:
            self._line.close()

    async def _ask(self, message: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """Whoever is cancelled here does not take away the next one's answer."""
        return await asyncio.shield(self._kept(self._asked(message, [os.dup(each) for each in descriptors])))

    async def _asked(self, message: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        try:
            async with self._turn:
                socket.send_fds(self._line, [json.dumps(message).encode()], descriptors)
                answer = await asyncio.get_running_loop().sock_recv(self._line, 4096)
        except OSError as error:
            raise CannotFork(str(error)) from error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if not answer:
            raise CannotFork("it is gone")
        answered: dict[str, Any] = json.loads(answer)
        return answered

    def _kept(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task for it, held on to until it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Output(asyncio.Protocol):
    """What the process prints."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def data_received(self, data: bytes) -> None:
        self._watcher.printed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watcher.output_ended()
