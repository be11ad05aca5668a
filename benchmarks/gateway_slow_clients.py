"""The gateway under siege: 2,000 clients that do everything as slowly as they can, and 5,000 that do nothing.

What everybody else sees meanwhile (64 connections that ask for 200 bytes), and how long it takes until the slow ones
are ended. The gateway has one processor for itself, with the limits that it has if nothing is said.
"""

import contextlib
import select
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atoll.gateway.open_files import enough_open_files
from benchmarks.gateway_programs import BROWSER, MEASURED, door, rest_elsewhere, upstreams_running
from benchmarks.measuring import Load, cpu_seconds, family, free_ports, memory_megabytes, running, say, table, wrk

SLOW = 2000
IDLE = 5000
CONNECTIONS = 64
SETTLING, SECONDS = 3.0, 4.0
"""What happens while they come is not counted: 2,000 answers of 1 MB are much work for anybody."""

DRIP_EVERY = 1.0
"""Seconds between two bytes of a slow client."""

PATIENCE = 60.0
"""Seconds in which all slow clients must be gone."""


@dataclass(frozen=True)
class Siege:
    """How many clients, what each sends at once, and what every second."""

    name: str
    clients: int
    start: bytes = b""
    drip: bytes = b""
    small_window: bool = False
    ended: bool = True
    """Whether it is waited for their end: idle connections are closed after 75 s only, and so is one whose answer the
    kernel holds."""


_POST = b"POST /api/things HTTP/1.1\r\nHost: x\r\n"
SIEGES = (
    Siege("nobody", 0),
    Siege("idle connections", IDLE, ended=False),
    Siege("slow heads", SLOW, b"GET /api/things HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"x"),
    Siege("slow bodies", SLOW, _POST + b"Content-Length: 100000\r\n\r\n", b"x"),
    Siege(
        "readers of nothing",
        SLOW,
        b"GET /api/things?large HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n",
        small_window=True,
        ended=False,
    ),
)


@dataclass(frozen=True)
class Row:
    """What everybody else saw (CPU in µs a request), memory in MiB, and the seconds until the slow ones were gone."""

    siege: Siege
    load: Load
    cpu: float
    memory: float
    ended: float


class Besiegers(threading.Thread):
    """Clients of the gateway at a port; it goes on until all are ended, or `leave` is called."""

    def __init__(self, port: int, siege: Siege) -> None:
        super().__init__(name=siege.name, daemon=True)
        self.there = threading.Event()
        self.seconds = 0.0
        """From the first connection until the last one was ended."""
        self._port = port
        self._siege = siege
        self._leaving = threading.Event()
        self._epoll = select.epoll()
        self._clients: dict[int, socket.socket] = {}

    def leave(self) -> None:
        """Close all that are left."""
        self._leaving.set()
        self.join()

    def run(self) -> None:
        """Connect, drip, and take note of who is ended."""
        began = time.monotonic()
        for _ in range(self._siege.clients):
            self._connect()
        self.there.set()
        dripped = time.monotonic()
        while self._clients and not self._leaving.is_set():
            for number, _ in self._epoll.poll(DRIP_EVERY / 4, 1024):
                self._end(number)
            if time.monotonic() - dripped >= DRIP_EVERY:
                dripped = time.monotonic()
                self._drip()
        self.seconds = time.monotonic() - began
        for each in self._clients.values():
            each.close()
        self._epoll.close()

    def _connect(self) -> None:
        client = socket.socket()
        if self._siege.small_window:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(("127.0.0.1", self._port))
        client.send(self._siege.start)
        client.setblocking(False)
        self._clients[client.fileno()] = client
        # who reads nothing sees its end only as a reset
        self._epoll.register(client, select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)

    def _drip(self) -> None:
        for number, client in list(self._clients.items()):
            try:
                client.send(self._siege.drip)
            except OSError:
                self._end(number)

    def _end(self, number: int) -> None:
        client = self._clients.pop(number, None)
        if client is not None:
            self._epoll.unregister(client)
            client.close()


def run(sieges: Sequence[Siege] = SIEGES) -> list[Row]:
    """One row for each siege, in their order, at one gateway; takes a minute and a half."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(rest_elsewhere())
        stack.enter_context(enough_open_files(IDLE))
        upstreams = stack.enter_context(upstreams_running())
        (port,) = free_ports(1)
        process = stack.enter_context(running(door(folder, port, upstreams), port=port, cpu=MEASURED))
        _ask(port, 1.0)
        return [_measure(siege, port, family(process.pid)) for siege in sieges]


def _measure(siege: Siege, port: int, pids: Sequence[int]) -> Row:
    say(f"  {siege.clients:,} {siege.name}" if siege.clients else f"  {siege.name}")
    with _besieged(port, siege) as besiegers:
        time.sleep(SETTLING)
        before = cpu_seconds(pids)
        load = _ask(port, SECONDS)
        cpu = (cpu_seconds(pids) - before) / load.requests * 1e6
        memory = memory_megabytes(pids)
        if siege.clients and siege.ended:
            besiegers.join(PATIENCE)
    return Row(siege, load, cpu, memory, besiegers.seconds)


@contextlib.contextmanager
def _besieged(port: int, siege: Siege) -> Iterator[Besiegers]:
    besiegers = Besiegers(port, siege)
    besiegers.start()
    besiegers.there.wait(PATIENCE)
    try:
        yield besiegers
    finally:
        besiegers.leave()


def _ask(port: int, seconds: float) -> Load:
    return wrk(f"http://127.0.0.1:{port}/api/things/1", connections=CONNECTIONS, seconds=seconds, headers=BROWSER)


def report() -> str:
    columns = (
        "besieged by",
        "clients",
        "CPU µs / request",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "failed",
        "MiB",
        "all ended after s",
    )
    cells = [
        (
            row.siege.name,
            row.siege.clients,
            row.cpu,
            round(row.load.rate),
            row.load.p50,
            row.load.p99,
            row.load.failed,
            round(row.memory),
            f"{row.ended:.1f}" if row.siege.clients and row.siege.ended else "",
        )
        for row in run()
    ]
    return table("Gateway: under siege", columns, cells)


if __name__ == "__main__":
    print(report())
