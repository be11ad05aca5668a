"""A whole system as real processes on free ports, for tests that cross services."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from atoll.runner.data_folder import DataFolder
from atoll.runner.running_system import RunningService

START_LIMIT = 60.0
"""Seconds that a system has to come up, on a machine that does other work as well."""

STOP_LIMIT = 60.0


class SystemFailed(AssertionError):
    """The system did what no test expects; what it printed is the message."""


class SystemUnderTest:
    """A system run by `atoll up`; made by `running_system`."""

    def __init__(self, process: asyncio.subprocess.Process, data: Path) -> None:
        self.data = data
        self._process = process
        self._lines: list[str] = []
        self._printed = asyncio.Condition()
        self._has_ended = False
        self._reading = asyncio.create_task(self._read())

    def __repr__(self) -> str:
        return f"<SystemUnderTest pid={self.pid} data={self.data}>"

    @property
    def pid(self) -> int:
        """The process of the runner."""
        return self._process.pid

    @property
    def printed(self) -> str:
        """Everything that the runner has printed so far: its own words and the logs of all services."""
        return "\n".join(self._lines)

    def service(self, name: str) -> RunningService:
        """What is known of a service now: its state, process, ports and address."""
        running = DataFolder(self.data).running()
        if running is None:
            raise SystemFailed(f"The system does not run any more. It printed:\n{self.printed}")
        return running.services[name]

    def services(self) -> list[RunningService]:
        """What is known of every service now."""
        running = DataFolder(self.data).running()
        return list(running.services.values()) if running else []

    def url(self, name: str) -> str:
        """Where the service listens, as `http://127.0.0.1:3001`."""
        return self.service(name).url

    def pids(self) -> list[int]:
        """The processes of all services."""
        return [service.pid for service in self.services() if service.pid]

    def kill(self, name: str) -> None:
        """End the process of a service with SIGKILL; the runner will start another one."""
        os.kill(self.service(name).pid, signal.SIGKILL)

    async def crash(self, name: str) -> None:
        """Kill a service, and wait until it is up again."""
        times_up = len(self._found(f"{name} is up"))
        self.kill(name)
        await self.line_with(f"{name} is up", times=times_up + 1)

    async def line_with(self, words: str, *, times: int = 1, limit: float = START_LIMIT) -> str:
        """Wait until `words` have been printed in that many lines; returns the last of them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit), self._printed:
                await self._printed.wait_for(lambda: len(self._found(words)) >= times or self._has_ended)
        if len(self._found(words)) < times:
            raise SystemFailed(f"{words!r} was not printed {times} times, but this was:\n{self.printed}")
        return self._found(words)[times - 1]

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop everything gracefully; returns the runner's exit code."""
        self.signal(how)
        return await self.ended()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the runner, if it still runs."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def kill_runner(self) -> None:
        """End the runner itself with SIGKILL."""
        self._process.kill()
        await self._process.wait()

    async def ended(self) -> int:
        """Wait for the runner's end; returns its exit code."""
        try:
            async with asyncio.timeout(STOP_LIMIT):
                code = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            raise SystemFailed(f"It did not stop within {STOP_LIMIT:.0f} s. It printed:\n{self.printed}") from None
        await self._reading
        return code

    def _found(self, words: str) -> list[str]:
        return [line for line in self._lines if words in line]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._lines.append(line.decode(errors="replace").rstrip())
            await self._tell()
        self._has_ended = True
        await self._tell()

    async def _tell(self) -> None:
        async with self._printed:
            self._printed.notify_all()


@asynccontextmanager
async def running_system(
    file: Path,
    data: Path,
    *,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[SystemUnderTest]:
    """`atoll up` for the system file `file` on free ports, from the moment that everything is up.

    Within, the system can be used, hurt and looked at. At the end it is stopped; nothing stays behind but what
    it wrote to `data`. Raises `SystemFailed` with all that was printed when it does not come up or stop.
    """
    async with starting_system(file, data, options=options, environment=environment) as system:
        await system.line_with(" is up after ")
        yield system


@asynccontextmanager
async def starting_system(
    file: Path,
    data: Path,
    *,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[SystemUnderTest]:
    """The same from the moment that `atoll up` runs: for systems that are not meant to come up.

    Its working directory is that of the file, so that modules beside it are found.
    """
    command = [sys.executable, "-m", "atoll.cli", "up", "--file", str(file), "--data", str(data), "--port-base", "0"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *options,
        cwd=file.parent,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        limit=1024 * 1024,
    )
    system = SystemUnderTest(process, data)
    try:
        yield system
    finally:
        await system.stop()
