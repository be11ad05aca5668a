"""The gateway with too much to do: what it still does, how quickly, what a refusal costs, and how soon all is well.

An open loop asks 0.5, 1, 2, 4 and 10 times what the gateway can do, by its own measure, and then 0.5 times again: for
browsing (a route of low priority), for products (normal), for orders with a token (high), and for the gateway's health.

The load must not be what gives way first, so the gateway has a quarter of one processor: it runs there with less
weight (`nice`) beside a program that only takes time. Load and upstreams have the other processor.
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atoll.gateway.open_files import enough_open_files
from benchmarks.gateway_programs import BROWSER, MEASURED, door, rest_elsewhere, token_of, upstreams_running
from benchmarks.measuring import (
    Skipped,
    cpu_seconds,
    family,
    free_ports,
    need,
    on_processor,
    running,
    say,
    table,
)
from benchmarks.open_loop import Answer, Kind, OpenLoop

RAMP = (0.5, 1.0, 2.0, 4.0, 10.0)
AFTERWARDS = 0.5
CONNECTIONS = 4000
SETTLING, SECONDS = 3.0, 6.0
"""Of each step; what happens while it settles is not counted."""

RECOVERY = 10.0
"""Seconds for which it is looked at afterwards."""

AT_ONCE = 64
"""Requests under way while it is measured what the gateway can do."""

LESS_WEIGHT = 5
"""Of `nice`: a weight of 335 beside 1024, so a quarter of the processor."""

WINDOW = 0.25
"""Seconds; the shortest time of which a p99 is told."""

SLOW = 0.1
"""Seconds: a p99 above that is not as it should be at half of what the gateway can do."""

REFUSED = 503
BROWSE, LOOK, ORDER, HEALTH = range(4)


@dataclass(frozen=True)
class Step:
    """One load, and what came of it: rates a second, latencies in ms from when a request was due, CPU in µs."""

    load: float
    offered: float
    accepted: float
    refused: float
    unsent: float
    p50: float
    p99: float
    shares: Sequence[float]
    """Of what was answered of each kind, how much was accepted."""
    order_p99: float
    cpu: float
    """Of the gateway, seconds a second."""
    late: float
    """p99 in ms of how late the load itself was."""


@dataclass(frozen=True)
class Ramp:
    """All of it: requests a second that the gateway can do, the CPU µs of one, each step, and the seconds until nothing
    was refused any more, and nothing slow."""

    capacity: float
    cost: float
    steps: Sequence[Step]
    last_refused: float
    last_slow: float


def run() -> Ramp:
    """Measure it all at one gateway; takes a minute and a half."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(rest_elsewhere())
        stack.enter_context(enough_open_files(CONNECTIONS))
        upstreams = stack.enter_context(upstreams_running())
        (port,) = free_ports(1)
        stack.enter_context(_competition())
        command = [need("nice"), "-n", str(LESS_WEIGHT), *door(folder, port, upstreams)]
        process = stack.enter_context(running(command, port=port, cpu=MEASURED))
        loop = stack.enter_context(contextlib.closing(OpenLoop(port, _kinds(token_of(folder)), CONNECTIONS)))
        return _Measurement(loop, family(process.pid)).run()


@contextlib.contextmanager
def _competition() -> Iterator[None]:
    """A program that takes all the time of the gateway's processor that it gets."""
    place = on_processor(MEASURED)
    if not place:
        raise Skipped("it takes two processors and taskset")
    process = subprocess.Popen([*place, sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _kinds(token: str) -> Sequence[Kind]:
    lines = "".join(f"{name}: {value}\r\n" for name, value in BROWSER.items())
    body = '{"items":[{"productId":"1f0b6f2c-8c1e-4d0b-9d3e-0a3f5b6c7d8e","quantity":1}]}'
    order = f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"

    def request(line: str, more: str = "", body: str = "") -> bytes:
        return f"{line} HTTP/1.1\r\nHost: shop\r\n{lines}{more}\r\n{body}".encode()

    kinds = {
        BROWSE: Kind("browsing", 0.70, request("GET /api/browse")),
        LOOK: Kind("products", 0.24, request("GET /api/things/1")),
        ORDER: Kind("ordering", 0.05, request("POST /api/orders", order, body)),
        HEALTH: Kind("health", 0.01, request("GET /health")),
    }
    return list(kinds.values())


class _Measurement:
    """Goes up the ramp, and down again."""

    def __init__(self, loop: OpenLoop, pids: Sequence[int]) -> None:
        self._loop = loop
        self._pids = pids

    def run(self) -> Ramp:
        loop = self._loop
        loop.run_closed(AT_ONCE, SETTLING)
        before, asked = cpu_seconds(self._pids), len(loop.answers)
        capacity = loop.run_closed(AT_ONCE, SECONDS)
        cost = (cpu_seconds(self._pids) - before) / (len(loop.answers) - asked) * 1e6
        say(f"  {capacity:,.0f} requests/s at most, {cost:.0f} µs each")
        steps = [self._step(load, capacity) for load in RAMP]
        return Ramp(capacity, cost, steps, *self._recovery(capacity))

    def _step(self, load: float, capacity: float) -> Step:
        say(f"  {load:g} times that")
        loop, rate = self._loop, load * capacity
        loop.run(rate, SETTLING)
        answers, unsent, late, cpu = len(loop.answers), len(loop.unsent), len(loop.late), cpu_seconds(self._pids)
        loop.run(rate, SECONDS)
        cpu = cpu_seconds(self._pids) - cpu
        got = loop.answers[answers:]
        accepted = [each for each in got if each.status != REFUSED]
        return Step(
            load=load,
            offered=rate,
            accepted=len(accepted) / SECONDS,
            refused=(len(got) - len(accepted)) / SECONDS,
            unsent=(len(loop.unsent) - unsent) / SECONDS,
            p50=_percentile(accepted, 50),
            p99=_percentile(accepted, 99),
            shares=[_share(got, kind) for kind in (BROWSE, LOOK, ORDER, HEALTH)],
            order_p99=_percentile([each for each in accepted if each.kind == ORDER], 99),
            cpu=cpu / SECONDS,
            late=statistics.quantiles(loop.late[late:], n=100)[98] * 1000,
        )

    def _recovery(self, capacity: float) -> tuple[float, float]:
        """Seconds from the drop of the load until the end of the last window in which something was refused, and of
        the last one that was slow."""
        say(f"  {AFTERWARDS:g} times that, afterwards")
        loop, began, first = self._loop, time.monotonic(), len(self._loop.answers)
        loop.run(AFTERWARDS * capacity, RECOVERY)
        windows: list[list[Answer]] = [[] for _ in range(int(RECOVERY / WINDOW))]
        for each in loop.answers[first:]:
            if each.done < began + RECOVERY:
                windows[int((each.done - began) / WINDOW)].append(each)
        refused = [any(each.status == REFUSED for each in window) for window in windows]
        slow = [len(window) < 2 or _percentile(window, 99) > SLOW * 1000 for window in windows]
        return _last(refused) * WINDOW, _last(slow) * WINDOW


def _last(marks: Sequence[bool]) -> int:
    """The number of the last one that is set, from 1; 0 when none is."""
    return max((number for number, mark in enumerate(marks, 1) if mark), default=0)


def _percentile(answers: Sequence[Answer], percent: int) -> float:
    """Of their latencies, in ms."""
    if len(answers) < 2:
        return float("nan")
    return statistics.quantiles([each.done - each.due for each in answers], n=100)[percent - 1] * 1000


def _share(answers: Sequence[Answer], kind: int) -> float:
    """How many of those of a kind were accepted, of 1."""
    of_kind = [each for each in answers if each.kind == kind]
    return sum(each.status != REFUSED for each in of_kind) / len(of_kind) if of_kind else float("nan")


def report() -> str:
    ramp = run()
    words = (
        f"At most {ramp.capacity:,.0f} requests a second, {ramp.cost:.0f} µs of CPU each. "
        f"Back at {AFTERWARDS:g} times that, nothing was refused after {ramp.last_refused:.2f} s, "
        f"and p99 was below {SLOW * 1000:.0f} ms after {ramp.last_slow:.2f} s.\n"
    )
    return "\n".join([_table_of_rates(ramp), _table_of_kinds(ramp), words])


def _table_of_rates(ramp: Ramp) -> str:
    columns = ("load", "offered/s", "accepted/s", "refused/s", "unsent/s", "p50 ms", "p99 ms", "load late by ms")
    cells = [
        (
            f"{step.load:g}",
            round(step.offered),
            round(step.accepted),
            round(step.refused),
            round(step.unsent),
            step.p50,
            step.p99,
            step.late,
        )
        for step in ramp.steps
    ]
    return table("Gateway: too much to do", columns, cells)


def _table_of_kinds(ramp: Ramp) -> str:
    columns = ("load", "browsing", "products", "ordering", "health", "ordering p99 ms", "CPU µs of a refusal")
    cells = [
        (
            f"{step.load:g}",
            *(f"{share:.0%}" for share in step.shares),
            step.order_p99,
            round((step.cpu * 1e6 - step.accepted * ramp.cost) / step.refused) if step.refused > step.accepted else "",
        )
        for step in ramp.steps
    ]
    return table("Gateway: too much to do, what is let in", columns, cells)


if __name__ == "__main__":
    print(report())
