"""A service as a process of its own, seen from its supervisor's end of the line."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from atoll.lifecycle.supervisor_line import SUPERVISOR_FD

_INHERITED = ("PATH", "HOME", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Ended:
    """How a process ended, and all that it said; `code` is negative for a signal that killed it."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log lines, for a service that logs JSON."""
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    def line(self, event: str) -> dict[str, Any]:
        """The only line of that event."""
        (found,) = (line for line in self.lines if line["event"] == event)
        return found


class ServiceProcess:
    """A running service; made by `service_process`. Every wait gives up after `patience` seconds."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        line: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        patience: float = 20.0,
    ) -> None:
        self._process = process
        self._reader, self._writer = line
        self._patience = patience
        self._output = b""
        self.ports: dict[str, int] = {}

    @property
    def port(self) -> int:
        """Where it serves, once it is `ready`."""
        return self.ports["port"]

    @property
    def pid(self) -> int:
        return self._process.pid

    async def told(self) -> dict[str, Any]:
        """The next word on the line; empty when the process has closed it."""
        async with asyncio.timeout(self._patience):
            word = await self._reader.readline()
        told: dict[str, Any] = json.loads(word) if word else {}
        return told

    async def ready(self) -> Self:
        """Wait until it serves; AssertionError with what it said when it ends instead."""
        told = await self.told()
        assert "ready" in told, f"{told} {await self.ended()}"
        self.ports = told["ready"]
        return self

    def signal(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def abandon(self) -> None:
        """Close the supervisor's end of the line, as happens when the supervisor dies."""
        self._writer.close()

    async def said(self, event: str) -> None:
        """Wait until its log has a line of that event."""
        async with asyncio.timeout(self._patience):
            assert self._process.stdout is not None
            while line := await self._process.stdout.readline():
                self._output += line
                if json.loads(line)["event"] == event:
                    return
        raise AssertionError(f"It ended without saying {event!r}: {await self.ended()}")

    def stop_reading(self) -> None:
        """Close our end of its standard output, as a reader that dies does."""
        self._process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # there is no other way

    async def ended(self) -> Ended:
        """Wait until it has ended."""
        async with asyncio.timeout(self._patience):
            output, errors = await self._process.communicate()
        assert self._process.returncode is not None
        return Ended(self._process.returncode, (self._output + output).decode(), errors.decode())

    async def close(self) -> None:
        """Kill it if it still runs."""
        self._writer.close()
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.communicate()
        with suppress(OSError):
            await self._writer.wait_closed()


@asynccontextmanager
async def service_process(
    command: Sequence[str], settings: Mapping[str, object] | None = None
) -> AsyncIterator[ServiceProcess]:
    """Start `command` (`[sys.executable, "-m", "shop_orders"]`), with `settings` as its environment variables.

    On the way out it is killed if it still runs.
    """
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment.update({name.upper(): str(value) for name, value in (settings or {}).items()})
    ours, theirs = socket.socketpair()
    line = await asyncio.open_unix_connection(sock=ours)
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**environment, SUPERVISOR_FD: str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    service = ServiceProcess(process, line)
    try:
        yield service
    finally:
        await service.close()
