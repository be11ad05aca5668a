"""Events a second through outbox → broker → inbox: durable at both ends, each with its effect once.

One process sends what waits in an outbox, then one handles it: a note and an insert for each event. Then both do so at
the same time. Each has one processor. In the end there is one event at a time, for the time from
a commit to its effect.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from atoll.events import Event, On, Outbox, ServiceEvents, open_broker
from atoll.observability.logging import configure_logging
from atoll.storage import Database, Migration, Transaction, load_migrations, open_database
from atoll.testing.event_services import PLACED, Placed, working
from atoll.testing.eventually import eventually
from atoll.testing.valkey_server import valkey_server
from benchmarks.measuring import on_processor, table

EVENTS = 20_000
IN_ONE_TRANSACTION = 100
ROUND_TRIPS = 200
SCHEMA = [*load_migrations("atoll.events"), Migration(2, "effects", "CREATE TABLE effects (order_id TEXT PRIMARY KEY)")]


class Sender:
    """A service that places orders."""

    def __init__(self, database: Database, url: str) -> None:
        self.outbox = Outbox("orders")
        self.database = self.outbox.waking(database)
        self.broker = open_broker(url)
        self.events = ServiceEvents(self.outbox, database, self.broker, consumer="sender", metrics=CollectorRegistry())

    async def place(self, order_ids: list[str]) -> None:
        async def body(tx: Transaction) -> None:
            for order_id in order_ids:
                await self.outbox.announce(tx, PLACED, subject=order_id, sequence=1, data=Placed(order_id=order_id))

        await self.database.transaction(body)


class Receiver:
    """A service that acts on orders."""

    def __init__(self, database: Database, url: str) -> None:
        self.handled = 0
        self.broker = open_broker(url)
        self.events = ServiceEvents(
            Outbox("stock"),
            database,
            self.broker,
            [On(PLACED, self.settle)],
            consumer="receiver",
            metrics=CollectorRegistry(),
            handled=self._count,
        )

    async def settle(self, event: Event[Placed], tx: Transaction) -> None:
        await tx.execute("INSERT INTO effects (order_id) VALUES ($1)", event.data.order_id)

    def _count(self, events: object) -> None:
        self.handled += len(events)  # type: ignore[arg-type]  # a sequence of events


def report() -> str:
    """Measure, and say so as Markdown."""
    configure_logging("benchmarks", level="error")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        return asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> str:
    async with valkey_server() as server:
        await _fill(folder)
        rows = [
            (what, *(await asyncio.to_thread(_in_a_process, part, folder, server.url)))
            for part, what in (("send", "outbox → broker"), ("handle", "broker → inbox and effect"))
        ]
        rows.append(("outbox → broker → inbox and effect", *(await _both_at_once(folder / "both", server.url))))
        latencies = await _latencies(folder, server.url)
    title = (
        f"{EVENTS:,} events, SQLite with synchronous=FULL, Valkey with appendfsync always, one process for each part"
    )
    rates = table(title, ["part", "events / s", "events / s of CPU time, of the last process"], rows)
    p50, p99 = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
    return (
        f"{rates}\nFrom the commit of an event to its durable effect, one at a time: {p50:.1f} ms, p99 {p99:.1f} ms.\n"
    )


async def _both_at_once(folder: Path, url: str) -> tuple[str, str]:
    await _fill(folder, "new")
    sending, handling = (asyncio.to_thread(_in_a_process, part, folder, url) for part in ("send", "handle"))
    _, handled = await asyncio.gather(sending, handling)
    return handled


async def _fill(folder: Path, name: str = "order") -> None:
    async with _database(folder, "orders") as database:
        await database.migrate(SCHEMA)
        sender = Sender(database, "unix:///nowhere")
        for first in range(0, EVENTS, IN_ONE_TRANSACTION):
            await sender.place([f"{name}-{number}" for number in range(first, first + IN_ONE_TRANSACTION)])
    async with _database(folder, "stock") as database:
        await database.migrate(SCHEMA)


def _in_a_process(part: str, folder: Path, url: str) -> tuple[str, str]:
    """Events a second, of the clock and of CPU time."""
    command = [*on_processor(0 if part == "send" else 1), sys.executable, "-m", "benchmarks.events"]
    done = subprocess.run([*command, part, str(folder), url], check=True, capture_output=True, text=True)
    seconds, cpu = map(float, done.stdout.split()[-2:])
    return f"{EVENTS / seconds:,.0f}", f"{EVENTS / cpu:,.0f}"


async def _timed(part: str, folder: Path, url: str) -> tuple[float, float]:
    async with _database(folder, "orders" if part == "send" else "stock") as database:
        service = Sender(database, url) if part == "send" else Receiver(database, url)
        is_done = _all_sent(database) if isinstance(service, Sender) else lambda: service.handled >= EVENTS
        async with service.broker:
            began, began_cpu = time.perf_counter(), time.process_time()
            async with working(service):
                await eventually(is_done, within=300)
                return time.perf_counter() - began, time.process_time() - began_cpu


def _all_sent(database: Database) -> Callable[[], object]:
    async def all_sent() -> bool:
        return await database.fetch_one("SELECT 1 FROM outbox WHERE published_at IS NULL LIMIT 1") is None

    return all_sent


async def _latencies(folder: Path, url: str) -> list[float]:
    """Milliseconds."""
    found = []
    async with _database(folder, "orders") as orders, _database(folder, "stock") as stock:
        sender, receiver = Sender(orders, url), Receiver(stock, url)
        async with sender.broker, receiver.broker, working(sender, receiver):
            for number in range(ROUND_TRIPS):
                before = receiver.handled
                await sender.place([f"late-{number}"])
                began = time.perf_counter()
                await eventually(lambda before=before: receiver.handled > before)  # type: ignore[misc]
                found.append((time.perf_counter() - began) * 1000)
    return found[ROUND_TRIPS // 10 :]


def _database(folder: Path, name: str) -> Database:
    return open_database(f"sqlite:///{folder}/{name}.db")


if __name__ == "__main__":
    import uvloop

    print(*uvloop.run(_timed(sys.argv[1], Path(sys.argv[2]), sys.argv[3])))
