"""An open loop: requests are sent when their time has come, whether or not earlier ones were answered.

So a server that falls behind is asked no less for it, and a wait is counted from the moment at which somebody wanted to
ask: a client that waits for its answers before it asks again hides just what overload is about. One thread, prepared
bytes, and epoll: some 15 µs for a request and its answer.
"""

import random
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_LONGEST_ANSWER = 64 * 1024
_SENT_IN_ONE_GO = 64
"""Requests that are sent before answers are looked at again."""


@dataclass(frozen=True)
class Kind:
    """One kind of request: the bytes of it, and its share of all."""

    name: str
    share: float
    request: bytes


class Answer(NamedTuple):
    """One answer: to which kind of request, when it was due to be sent, and when the answer was whole (monotonic)."""

    kind: int
    due: float
    done: float
    status: int


class _Line:
    """A connection, and the request that is under way on it."""

    __slots__ = ("due", "kind", "received", "socket")

    def __init__(self, port: int, kind: int) -> None:
        self.kind = kind
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due: float | None = None
        self.received = b""


class OpenLoop:
    """Asks a server at `port` over so many `connections`, one request at a time on each.

    Each kind of request has its share of the connections: clients of one kind ask for one kind of thing, whoever has
    not asked for longest first, and whatever they were told the last time. `answers` has all of them so far. A request
    for which no connection was free is in `unsent`, by its time.
    """

    def __init__(self, port: int, kinds: Sequence[Kind], connections: int, seed: int = 1) -> None:
        self.answers: list[Answer] = []
        self.unsent: list[float] = []
        self.late: list[float] = []
        """Seconds that each request was sent after its time: what this program itself could not keep up with."""
        self.broken = 0
        """Connections that ended."""
        self._port = port
        self._kinds = kinds
        self._chance = random.Random(seed)  # noqa: S311 - load is no secret
        self._epoll = select.epoll()
        self._lines: dict[int, _Line] = {}
        self._free: list[deque[_Line]] = [deque() for _ in kinds]
        for kind, each in enumerate(kinds):
            for _ in range(round(connections * each.share)):
                self._open(kind)

    def __repr__(self) -> str:
        return f"<OpenLoop with {self._busy} of {len(self._lines)} connections busy>"

    @property
    def _busy(self) -> int:
        return len(self._lines) - sum(map(len, self._free))

    def run(self, rate: float, seconds: float) -> None:
        """Send at `rate` requests a second, at random moments, and take what comes."""
        gap, shares = self._chance.expovariate, [each.share for each in self._kinds]
        kinds: list[int] = []
        now = time.monotonic()
        due, end = now + gap(rate), now + seconds
        while now < end:
            kinds = kinds or self._chance.choices(range(len(shares)), shares, k=1024)
            for _ in range(_SENT_IN_ONE_GO):
                if due > now or not kinds:
                    break
                self._send(kinds.pop(), due, now)
                due += gap(rate)
            self._receive(min(due, end) - now)
            now = time.monotonic()

    def run_closed(self, at_once: int, seconds: float) -> float:
        """Keep so many requests under way, whatever that takes; the answers a second."""
        before, began = len(self.answers), time.monotonic()
        shares = [each.share for each in self._kinds]
        while (now := time.monotonic()) < began + seconds:
            for _ in range(at_once - self._busy):
                self._send(self._chance.choices(range(len(shares)), shares)[0], now, now)
            self._receive(seconds)
        return (len(self.answers) - before) / (time.monotonic() - began)

    def close(self) -> None:
        """Close every connection."""
        for line in self._lines.values():
            line.socket.close()
        self._epoll.close()

    def _open(self, kind: int) -> None:
        line = _Line(self._port, kind)
        self._lines[line.socket.fileno()] = line
        self._epoll.register(line.socket, select.EPOLLIN)
        self._free[kind].append(line)

    def _send(self, kind: int, due: float, now: float) -> None:
        if not self._free[kind]:
            self.unsent.append(due)
            return
        line = self._free[kind].popleft()
        line.due = due
        self.late.append(now - due)
        try:
            line.socket.send(self._kinds[kind].request)
        except OSError:
            self._replace(line)

    def _receive(self, patience: float) -> None:
        for number, _ in self._epoll.poll(max(0.0, patience), 1024):
            line = self._lines[number]
            try:
                data = line.socket.recv(_LONGEST_ANSWER)
            except OSError:
                data = b""
            if not data:
                self._replace(line)
                continue
            line.received += data
            if _is_whole(line.received):
                self._answered(line)

    def _answered(self, line: _Line) -> None:
        if line.due is not None:
            self.answers.append(Answer(line.kind, line.due, time.monotonic(), int(line.received[9:12])))
            line.due = None
            self._free[line.kind].append(line)
        line.received = b""

    def _replace(self, line: _Line) -> None:
        """Open a connection in place of one that has ended."""
        self.broken += 1
        self._epoll.unregister(line.socket)
        del self._lines[line.socket.fileno()]
        line.socket.close()
        if line.due is None:
            self._free[line.kind].remove(line)
        self._open(line.kind)


def _is_whole(received: bytes) -> bool:
    """Whether it is an answer, its body with it: of a server that always says how long that is."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    place = received.find(b"ontent-length: ", 0, end)
    if place < 0:
        place = received.find(b"ontent-Length: ", 0, end)
    return place < 0 or len(received) >= end + 4 + int(received[place + 15 : received.find(b"\r", place)])
