"""What every benchmark needs: processes that end, their CPU time, load from wrk, and a table."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Skipped(Exception):
    """This cannot be measured here; the message says what is missing."""


@dataclass(frozen=True)
class Load:
    """What wrk saw: requests answered in `seconds`, latencies in milliseconds, answers that were not 2xx."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def need(program: str) -> str:
    """The path of an installed program, or `Skipped`."""
    path = shutil.which(program)
    if path is None:
        raise Skipped(f"{program} is not installed")
    return path


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def running(
    command: Sequence[str], *, port: int, environment: Mapping[str, str] | None = None, cpu: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program while it listens on `port`, on one processor if asked; ended when the block ends."""
    command = [*on_processor(cpu), *command]
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _await_port(process, port)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def on_processor(cpu: int | None) -> list[str]:
    """The beginning of a command that shall have no other processor; empty where that cannot be had."""
    if cpu is None or not shutil.which("taskset") or (os.cpu_count() or 1) <= cpu:
        return []
    return ["taskset", "-c", str(cpu)]


def _await_port(process: subprocess.Popen[bytes], port: int, patience: float = 20.0) -> None:
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        if process.poll() is not None:
            words = (process.stderr.read() if process.stderr else b"").decode(errors="replace").strip()
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {words[-500:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on {port} after {patience:.0f} s")


def family(pid: int) -> list[int]:
    """A process and all that it started, as far as they live."""
    children = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(each for child in children for each in family(child))]


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time that these processes have used so far, in seconds."""
    return sum(_ticks(pid) for pid in pids) / _TICKS_PER_SECOND


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def memory_megabytes(pids: Sequence[int]) -> float:
    """Proportional set size of these processes together, in MiB: shared pages are counted once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            match = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(match.group(1)) if match else 0
    return total / 1024


def wrk(
    url: str,
    *,
    connections: int,
    seconds: float,
    method: str = "GET",
    body: str = "",
    body_size: int = 0,
    headers: Mapping[str, str] | None = None,
    unique_header: str = "",
) -> Load:
    """Load from one wrk thread. `unique_header`, if any, gets another value with every request. The body may also be
    given by its size in bytes."""
    script = Path(__file__).with_name("wrk.lua")
    options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s", "--latency", "-s", str(script)]
    request = {
        "METHOD": method,
        "BODY": body,
        "BODY_SIZE": str(body_size),
        "HEADERS": "\n".join(f"{name}: {value}" for name, value in (headers or {}).items()),
        "UNIQUE": unique_header,
    }
    printed = subprocess.run(
        [need("wrk"), *options, url],
        env={**os.environ, **request},
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    ).stdout
    result = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", printed)
    if result is None:
        raise RuntimeError(f"wrk said something unexpected: {printed}")
    requests, micros, p50, p99, failed = result.groups()
    return Load(int(requests), int(micros) / 1e6, float(p50) / 1000, float(p99) / 1000, int(failed))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, as `docs/benchmarks.md` has it."""
    lines = [f"### {title}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def say(words: str) -> None:
    """Progress, aside from the tables."""
    print(words, file=sys.stderr, flush=True)
