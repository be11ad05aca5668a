"""Several processes at one door, as one `Listener`: each has a socket of its own at the same port (SO_REUSEPORT).

The kernel spreads connections over the sockets. All of them stay open here, so that one whose worker has died, or is
being replaced, keeps whoever connects meanwhile until the next worker takes it. Where somebody holds a door open for
the whole gateway, all workers accept at that one.
"""

import asyncio
import signal
import socket
from collections.abc import Sequence

from atoll.discovery.pauses import Pauses
from atoll.gateway.worker_process import WorkerProcess
from atoll.lifecycle import Address, StartFailed, listening_socket
from atoll.lifecycle.sockets import admit_no_more
from atoll.limits.quota_store import QuotaStore
from atoll.observability.logging import get_logger

STOP_MARGIN = 3.0
"""Seconds beyond the time to drain, for a worker to end after it."""

log = get_logger()


class Workers:
    """Starts `count` workers, starts one again that ends, and stops all of them. `store` counts their limits.

    With a `door`, whoever holds it open decides whom to admit.
    """

    def __init__(
        self, host: str, port: int, count: int, store: QuotaStore, *, door: socket.socket | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._count = count
        self._store = store
        self._door = door
        self._stopping = False
        self._doors: list[socket.socket] = []
        self._running: dict[int, WorkerProcess] = {}
        self._keeping: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Workers {len(self._running)} of {self._count} at {self._host}:{self._port}>"

    @property
    def running(self) -> Sequence[WorkerProcess]:
        """Those that serve now."""
        return list(self._running.values())

    async def start(self) -> Address:
        self._doors = self._open_doors()
        address = Address(*self._doors[0].getsockname()[:2])
        workers = [WorkerProcess(number, door, self._store) for number, door in enumerate(self._doors, 1)]
        started = await asyncio.gather(*(each.start() for each in workers), return_exceptions=True)
        for worker, outcome in zip(workers, started, strict=True):
            if outcome is None:
                self._keeping.append(asyncio.create_task(self._keep(worker), name=f"worker {worker.number}"))
        for outcome in started:
            if outcome is not None:
                await self.stop_accepting()
                await self.drain(0.0)
                raise outcome
        return address

    async def stop_accepting(self) -> None:
        self._stopping = True
        if self._door is None:
            for door in self._doors:
                admit_no_more(door)
        self.signal(signal.SIGTERM)

    async def drain(self, timeout: float) -> None:
        if self._keeping:
            _, slow = await asyncio.wait(self._keeping, timeout=timeout + STOP_MARGIN)
            if slow:
                log.warning("workers killed", workers=len(slow))
                self.signal(signal.SIGKILL)
                await asyncio.wait(slow)
        for door in self._doors:
            door.close()

    def signal(self, number: signal.Signals) -> None:
        """Send all workers a signal."""
        for worker in self._running.values():
            worker.signal(number)

    async def _keep(self, worker: WorkerProcess) -> None:
        """Have a worker at this door for as long as we do not stop."""
        pauses = Pauses(first=0.1, longest=5.0)
        while True:
            self._running[worker.number] = worker
            code = await worker.ended()
            self._running.pop(worker.number)
            while not self._stopping:
                log.error("worker ended", worker=worker.number, exit_code=code)
                await asyncio.sleep(pauses.next())
                try:
                    await worker.start()
                except StartFailed as failure:
                    log.error("worker does not start", worker=worker.number, reason=str(failure))  # noqa: TRY400 - says it all
                else:
                    break
            if self._stopping:
                return

    def _open_doors(self) -> list[socket.socket]:
        """Sockets at one port, once it is clear that nobody else has it: who shares a port cannot tell."""
        if self._door is not None:
            return [self._door] * self._count
        with listening_socket(self._host, self._port) as alone:
            port = alone.getsockname()[1]
        return [listening_socket(self._host, port, shared=True) for _ in range(self._count)]
