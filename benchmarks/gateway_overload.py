"""The gateway with too much to do: how much it still does, how quickly what matters most is answered, and how soon all
is well again.

Ever more clients ask at once, each as soon as it is answered, for what matters least (a route of low priority); a few
ask all the while for what matters most. From some number of clients on the gateway is behind, and refuses. The gateway
has one processor for itself; load and upstreams share the other.
"""

import re
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.gateway import BROWSER, MEASURED, rest_elsewhere, upstreams_running
from benchmarks.measuring import Load, free_ports, running, say, table, wrk

CLIENTS = (64, 256, 1024, 2048, 4096)
SECONDS = 6.0
IMPORTANT_CLIENTS = 4
PER_INSTANCE = 32
"""Requests that each of the two instances works on at once; the others wait in the gateway, or are refused."""

HEAD_START = 0.5
"""Seconds in which the few connect: whom the kernel lets in is not what is measured."""

RECOVERY_LIMIT = 10.0


@dataclass(frozen=True)
class Row:
    """What one number of clients met: rates a second, latencies of what matters most in ms, seconds until recovery."""

    clients: int
    done: float
    refused: float
    important: Load
    recovery: float


def run(clients: Sequence[int] = CLIENTS, seconds: float = SECONDS) -> list[Row]:
    """One row for each number of clients, in their order, at one gateway."""
    with tempfile.TemporaryDirectory() as folder, rest_elsewhere(), upstreams_running() as upstreams:
        port, ops_port = free_ports(2)
        surroundings = {"BENCHMARK_OPS_PORT": str(ops_port), "BENCHMARK_PER_INSTANCE": str(PER_INSTANCE)}
        command = [sys.executable, "-m", "benchmarks.gateway", "door", folder, str(port), *map(str, upstreams)]
        with running(command, port=port, cpu=MEASURED, environment=surroundings):
            rows = []
            for number in clients:
                say(f"  {number} clients")
                rows.append(_measure(port, ops_port, number, seconds))
            return rows


def _measure(port: int, ops_port: int, clients: int, seconds: float) -> Row:
    important: list[Load] = []

    def ask_for_what_matters() -> None:
        url = f"http://127.0.0.1:{port}/api/important"
        important.append(wrk(url, connections=IMPORTANT_CLIENTS, seconds=seconds, headers=BROWSER))

    asking = threading.Thread(target=ask_for_what_matters)
    asking.start()
    time.sleep(HEAD_START)
    load = wrk(f"http://127.0.0.1:{port}/api/browse", connections=clients, seconds=seconds, headers=BROWSER)
    recovery = _recovery(ops_port)
    asking.join()
    return Row(
        clients, (load.requests - load.failed) / load.seconds, load.failed / load.seconds, important[0], recovery
    )


def _recovery(ops_port: int) -> float:
    """Seconds until nothing is refused any more."""
    began = time.monotonic()
    while time.monotonic() - began < RECOVERY_LIMIT:
        with urllib.request.urlopen(f"http://127.0.0.1:{ops_port}/metrics", timeout=5) as answer:
            told = answer.read().decode()
        pressure = re.search(r"^gateway_overload_pressure (\S+)$", told, re.MULTILINE)
        if pressure is None or float(pressure[1]) == 0.0:
            break
        time.sleep(0.05)
    return time.monotonic() - began


def report() -> str:
    columns = ("clients", "done/s", "refused/s", "important/s", "p50 ms", "p99 ms", "failed", "well again after s")
    cells = [
        (
            row.clients,
            round(row.done),
            round(row.refused),
            round(row.important.rate),
            row.important.p50,
            row.important.p99,
            row.important.failed,
            row.recovery,
        )
        for row in run()
    ]
    return table("Gateway: too much to do", columns, cells)


if __name__ == "__main__":
    print(report())
