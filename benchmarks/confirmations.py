"""How long an order is pending: from created to confirmed, while the shop has half of what it can do.

First as many orders as it takes, then half as many a second, on schedule whatever the answers do. The moments are those
that orders has written down with the order: when it was placed, after its stock was held, and when `inventory.updated`
confirmed it. The commit of the confirmation comes on top, and is part of neither.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from atoll.storage import open_read_only
from atoll.testing.eventually import eventually
from benchmarks.measuring import say, table
from benchmarks.orders import SYSTEM_FILE, atoll_up, orders_database

SECONDS = 8
HANDS = 64
LINES = (1, 3, 20)

_CHANGES = "SELECT changes FROM orders WHERE created_at >= $1"
_PENDING = "SELECT 1 FROM orders WHERE status = 'pending' LIMIT 1"


def report() -> str:
    """Measure, and say so as Markdown."""
    with tempfile.TemporaryDirectory(dir=".") as folder, atoll_up(Path(folder), "sqlite") as note:
        url = orders_database(Path(folder), note)
        rows = [_row(Path(folder), url, lines) for lines in LINES]
    columns = ["lines", "orders / s at most", "orders / s now", "created → confirmed p50 ms", "p99 ms", "highest ms"]
    return table("From created to confirmed at half load, on two cores with the load generator", columns, rows)


def _row(data: Path, url: str, lines: int) -> Sequence[object]:
    most = len(_orders(data, url, lines)) / SECONDS
    pending = _orders(data, url, lines, rate=most / 2)
    p50, p99 = statistics.median(pending), statistics.quantiles(pending, n=100)[98]
    say(f"{lines} lines: at most {most:,.0f} orders/s; at half of that {p50:.0f} ms, p99 {p99:.0f} ms")
    return lines, most, len(pending) / SECONDS, p50, p99, max(pending)


def _orders(data: Path, url: str, lines: int, *, rate: float | None = None) -> list[float]:
    """Place orders, and wait until all are confirmed: for how many milliseconds each was pending."""
    began = int(time.time() * 1000)
    command = [sys.executable, "-m", "atoll.cli", "load", "--file", str(SYSTEM_FILE), "--data", str(data)]
    command += ["--for", str(SECONDS), "--concurrency", str(HANDS), "--mix", "place=1", "--lines", str(lines)]
    subprocess.run([*command, *(["--rate", f"{rate:.1f}"] if rate else [])], check=True, stdout=subprocess.DEVNULL)
    return asyncio.run(_pending_times(url, began))


async def _pending_times(url: str, began: int, patience: float = 60.0) -> list[float]:
    async with open_read_only(url) as database:

        async def all_decided() -> bool:
            return await database.fetch_one(_PENDING) is None

        await eventually(all_decided, within=patience)
        return [_pending(changes) async for (changes,) in database.stream(_CHANGES, began)]


def _pending(changes: str) -> float:
    """`pending:1780000000000 confirmed:1780000000012` is 12."""
    placed, confirmed, *_ = (int(change.partition(":")[2]) for change in changes.split())
    return float(confirmed - placed)


if __name__ == "__main__":
    sys.stdout.write(report())
