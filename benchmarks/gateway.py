"""What the gateway costs: CPU time of its process for one proxied request, beside other gateways, in one run.

Answers of 200 bytes and of 1 MB, and requests of 1 MB, over 64 and over 512 connections; and what it costs to refuse
one. The gateway has one processor for itself; the load (wrk) and a trivial upstream share the other. All gateways are
up all the time and take turns, so that a slow moment of the machine meets everybody.

Ours is measured with everything on: strict reading, heads written anew, routes, limits, balancing over two instances,
breakers, retry budget, metrics, trace header, access log; with and without a token to check. The others do what their
shortest sensible configuration does.
"""

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway_peers import GATEWAYS, NGINX, OURS, Gateway
from benchmarks.gateway_programs import BROWSER, LARGE, MEASURED, rest_elsewhere, token_of, upstreams_running
from benchmarks.measuring import (
    Load,
    Skipped,
    cpu_seconds,
    family,
    free_ports,
    memory_megabytes,
    running,
    say,
    table,
    wrk,
)

SECONDS = 2.0
WARM_UP = 1.0
ROUNDS = 3

TOLERATED_FAILURES = 0.05
"""Of all requests: the slowest let some time out, and ours refuses some when it is behind."""


@dataclass(frozen=True)
class Case:
    """What is asked for: over so many connections, an answer or a request of which size."""

    title: str
    connections: int
    suffix: str = ""
    body_size: int = 0


SMALL = Case("200 bytes, 64 connections", 64)
CASES = (
    SMALL,
    Case("200 bytes, 512 connections", 512),
    Case("answers of 1 MB, 64 connections", 64, suffix="?large"),
    Case("answers of 1 MB, 512 connections", 512, suffix="?large"),
    Case("requests of 1 MB, 64 connections", 64, body_size=LARGE),
    Case("requests of 1 MB, 512 connections", 512, body_size=LARGE),
)
REFUSAL = Case("a refusal, 64 connections", 64)


@dataclass(frozen=True)
class Contender:
    """A gateway, and what is asked of it."""

    name: str
    gateway: Gateway
    path: str = "/api/things/1"
    with_token: bool = False
    refused: bool = False

    @property
    def cases(self) -> Sequence[Case]:
        return (REFUSAL,) if self.refused else CASES


CONTENDERS = (
    Contender("**Atoll**, token checked", OURS, "/api/things/1/secret", with_token=True),
    Contender("**Atoll**, public route", OURS),
    Contender("**Atoll**, over the limit (429)", OURS, "/api/limited", refused=True),
    Contender("**Atoll**, without a token (401)", OURS, "/api/things/1/secret", refused=True),
    Contender("**Atoll**, no such path (404)", OURS, "/api/nothing", refused=True),
    *(Contender(each.name, each) for each in GATEWAYS if each is not OURS),
)


@dataclass(frozen=True)
class Door:
    """A gateway that runs: where, as which processes, and a token for it, if it looks at one."""

    url: str
    pids: Sequence[int]
    token: str


@dataclass(frozen=True)
class Taken:
    """What one gateway took: CPU in µs for a request, requests a second, latencies in ms."""

    cpu: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Row:
    """The medians of the rounds; memory in MiB."""

    contender: Contender
    case: Case
    taken: Taken
    memory: float


class Comparison:
    """Gateways that run, and what they took so far."""

    def __init__(self, seconds: float, rounds: int) -> None:
        self.rows: list[Row] = []
        self.skipped: dict[str, str] = {}
        """What could not be measured, and why."""
        self._seconds = seconds
        self._rounds = rounds
        self._doors: dict[str, Door] = {}

    def open(self, gateway: Gateway, upstreams: Sequence[int], stack: contextlib.ExitStack) -> None:
        """Start a gateway that ends with the stack, if it can be started here."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        (port,) = free_ports(1)
        try:
            command = gateway.command(folder, port, upstreams)
        except Skipped as reason:
            self.skipped[gateway.name] = str(reason)
            return
        process = stack.enter_context(running(command, port=port, cpu=MEASURED))
        token = token_of(folder) if gateway is OURS else ""
        self._doors[gateway.name] = Door(f"http://127.0.0.1:{port}", family(process.pid), token)

    def measure(self, case: Case, contenders: Sequence[Contender]) -> None:
        """Have them take turns."""
        taken: dict[str, list[Taken]] = {each.name: [] for each in contenders if each.gateway.name in self._doors}
        for number in range(self._rounds):
            for contender in contenders:
                if contender.name in taken:
                    try:
                        taken[contender.name].append(self._round(case, contender, first=not number))
                    except Skipped as reason:
                        self.skipped[f"{contender.name}, {case.title}"] = str(reason)
                        del taken[contender.name]
        self.rows += [self._row(each, case, taken[each.name]) for each in contenders if each.name in taken]

    def _round(self, case: Case, contender: Contender, *, first: bool) -> Taken:
        door = self._doors[contender.gateway.name]
        if first:
            self._ask(case, contender, WARM_UP)
        before = cpu_seconds(door.pids)
        load = self._ask(case, contender, self._seconds)
        used = cpu_seconds(door.pids) - before
        unexpected = load.requests - load.failed if contender.refused else load.failed
        if not load.requests:
            raise Skipped(f"nothing was answered in {self._seconds:.0f} s")
        if unexpected > load.requests * TOLERATED_FAILURES:
            raise Skipped(f"{unexpected} of {load.requests} requests ended otherwise than they should")
        return Taken(used / load.requests * 1e6, load.rate, load.p50, load.p99)

    def _ask(self, case: Case, contender: Contender, seconds: float) -> Load:
        door = self._doors[contender.gateway.name]
        return wrk(
            door.url + contender.path + case.suffix,
            connections=case.connections,
            seconds=seconds,
            method="POST" if case.body_size else "GET",
            body_size=case.body_size,
            headers={**BROWSER, **({"Authorization": f"Bearer {door.token}"} if contender.with_token else {})},
        )

    def _row(self, contender: Contender, case: Case, rounds: Sequence[Taken]) -> Row:
        medians = (statistics.median(each) for each in zip(*map(dataclasses.astuple, rounds), strict=True))
        return Row(contender, case, Taken(*medians), memory_megabytes(self._doors[contender.gateway.name].pids))


def run(seconds: float = SECONDS, rounds: int = ROUNDS, names: Sequence[str] = ()) -> Comparison:
    """Every contender that can be measured here, or those that have one of `names` in theirs; takes six minutes."""
    chosen = [each for each in CONTENDERS if not names or any(name in each.name for name in names)]
    comparison = Comparison(seconds, rounds)
    with contextlib.ExitStack() as stack:
        stack.enter_context(rest_elsewhere())
        upstreams = stack.enter_context(upstreams_running())
        for gateway in GATEWAYS:
            if any(each.gateway is gateway for each in chosen):
                comparison.open(gateway, upstreams, stack)
        for case in (*CASES, REFUSAL):
            say(f"  {case.title}")
            comparison.measure(case, [each for each in chosen if case in each.cases])
    return comparison


def report() -> str:
    comparison = run()
    tables = [_table(case, [each for each in comparison.rows if each.case is case]) for case in CASES]
    small = [each for each in comparison.rows if each.case is SMALL and each.contender.gateway in (OURS, NGINX)]
    refusals = [each for each in comparison.rows if each.case is REFUSAL]
    notes = "".join(f"Not measured: {what}: {why}.\n" for what, why in comparison.skipped.items())
    return "\n".join([*tables, _table(REFUSAL, [*small, *refusals]), notes])


def _table(case: Case, rows: Sequence[Row]) -> str:
    nginx = next((each.taken.cpu for each in rows if each.contender.gateway is NGINX), None)
    cells = [
        (
            each.contender.name,
            each.taken.cpu,
            f"{each.taken.cpu / nginx:.2f}" if nginx else "",
            round(each.taken.rate),
            each.taken.p50,
            each.taken.p99,
            each.memory,
        )
        for each in rows
    ]
    columns = ("gateway", "CPU µs / request", "of nginx's", "requests/s", "p50 ms", "p99 ms", "MiB")
    return table(f"Gateway: {case.title}", columns, cells)


if __name__ == "__main__":
    print(report())
