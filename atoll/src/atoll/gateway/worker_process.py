"""One worker as its parent sees it: started, heard of, asked, stopped."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import Any

import msgspec

from atoll.calls import ServiceClient
from atoll.discovery.directory import FixedDirectory
from atoll.gateway.quota_line import serve_quota
from atoll.gateway.settings import GATEWAY
from atoll.gateway.worker import DOOR, QUOTA
from atoll.lifecycle import SUPERVISOR_FD, StartFailed
from atoll.limits.quota_store import QuotaStore

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class WorkerProcess:
    """A process that serves at `door`, and counts limits with `store`."""

    def __init__(self, number: int, door: socket.socket, store: QuotaStore) -> None:
        self.number = number
        self._door = door
        self._store = store
        self._ops_port = 0
        self._process: asyncio.subprocess.Process
        self._counting: asyncio.Task[None]
        self._line: asyncio.StreamWriter

    def __repr__(self) -> str:
        return f"<WorkerProcess {self.number}, process {self._process.pid}>"

    async def start(self) -> None:
        """Return when it serves; raises `StartFailed` with its own sentence."""
        line, line_of_worker = socket.socketpair()
        quota, quota_of_worker = socket.socketpair()
        quota.setblocking(False)
        given = {SUPERVISOR_FD: line_of_worker, QUOTA: quota_of_worker, DOOR: self._door}
        with line_of_worker, quota_of_worker:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "atoll.gateway.worker",
                env={**os.environ, **{name: str(each.fileno()) for name, each in given.items()}},
                pass_fds=[each.fileno() for each in given.values()],
                start_new_session=True,  # a Ctrl-C is for the parent, who then stops everybody in order
            )
        self._counting = asyncio.create_task(serve_quota(quota, self._store), name=f"limits of worker {self.number}")
        reader, self._line = await asyncio.open_unix_connection(sock=line)
        await self._until_ready(reader)

    async def ended(self) -> int:
        """Wait for its end, and return its exit code; negative for a signal."""
        code = await self._process.wait()
        self._line.close()
        self._counting.cancel()
        await asyncio.gather(self._counting, return_exceptions=True)
        return code

    async def fetch(self, path: str) -> str:
        """What it answers to its parent at `path` of its port for operations; raises `CallError`."""
        directory = FixedDirectory({GATEWAY: f"http://127.0.0.1:{self._ops_port}"})
        async with ServiceClient(GATEWAY, directory) as client:
            return (await client.request("GET", path)).body.decode()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _until_ready(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            told = _decode(line)
            if "ready" in told:
                self._ops_port = told["ready"]["ops_port"]
                return
            if "failed" in told:
                break
        await self.ended()
        raise StartFailed(str(_decode(line)["failed"]) if line else f"Worker {self.number} ended before it served.")
