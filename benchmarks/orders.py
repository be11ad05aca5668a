"""Orders a second through the whole system, next to the same shop built as the usual Node tutorial builds it.

Ours is durable, checks tokens, keeps Idempotency-Keys, and counts an order once it is *confirmed*, with the backlog
drained inside the measured time: on SQLite, and on a PostgreSQL server on the same two cores. Node's keeps everything
in memory and counts what it answered.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.lifecycle import StartFailed
from atoll.runner.data_folder import DataFolder
from atoll.runner.databases import EMBEDDED, databases_of
from atoll.runner.embedded_postgres.binaries import binaries
from atoll.runner.ports import PortPlan
from atoll.runner.running_system import RunningSystem
from atoll.runner.system_file import ServiceSpec
from atoll.storage import open_read_only
from benchmarks.measuring import Load, Skipped, family, free_ports, memory_megabytes, need, running, say, table, wrk

CONNECTIONS = 32
SECONDS = 4.0
ROUNDS = 3
WARM_UP = 2.0
TOLERATED_FAILURES = 0.02
"""Of all orders: a system at its limit lets some time out; none of ours may be lost for that."""

LINES = (1, 3, 20)
STOCK = 100_000_000
SYSTEM_FILE = Path("shop/atoll.toml")
NODE_SHOP = Path("benchmarks/peers/node")

OURS = "**Atoll**: durable, confirmed"
ON_POSTGRES = "**Atoll** on PostgreSQL: durable, confirmed"
NODE = "Node and Express: in memory"


@dataclass(frozen=True)
class Shop:
    """A running shop: where to order, as whom, and what there is."""

    url: str
    token: str
    user_id: str
    product_ids: Sequence[str]
    pids: Sequence[int]
    count: Callable[[str], int] | None = None
    """How many orders are in a state; None where nothing is kept."""

    def order(self, lines: int, seconds: float) -> Load:
        """Order from all connections at once."""
        items = [{"productId": product, "quantity": 1} for product in self.product_ids[:lines]]
        return wrk(
            f"{self.url}/api/orders",
            connections=CONNECTIONS,
            seconds=seconds,
            method="POST",
            body=json.dumps({"userId": self.user_id, "items": items}),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
            unique_header="Idempotency-Key",
        )


@dataclass(frozen=True)
class Outcome:
    """Orders a second, latencies in milliseconds and memory in MiB at one length of order."""

    rate: float
    p50: float
    p99: float
    memory: float


def run() -> list[Sequence[object]]:
    """Rows of: lines, who, orders a second, p50, p99, memory, and ours as a multiple of Node's.

    Both are up all the time and take turns, so that what else the machine does falls on both.
    """
    with contextlib.ExitStack() as stack:
        shops = {OURS: stack.enter_context(atoll_shop("sqlite"))}
        for name, shop in ((ON_POSTGRES, atoll_shop("postgresql")), (NODE, node_shop())):
            try:
                shops[name] = stack.enter_context(shop)
            except Skipped as reason:
                say(f"{name} is not measured: {reason}")
        return [row for lines in LINES for row in _rows(lines, _in_turns(shops, lines))]


def _in_turns(shops: Mapping[str, Shop], lines: int) -> dict[str, Outcome]:
    for shop in shops.values():
        shop.order(lines, WARM_UP)
    rounds = [[_measure(shop, lines) for shop in shops.values()] for _ in range(ROUNDS)]
    outcomes = [_median(each) for each in zip(*rounds, strict=True)]
    say(f"{lines} lines: {', '.join(f'{outcome.rate:,.0f}' for outcome in outcomes)} orders/s")
    return dict(zip(shops, outcomes, strict=True))


def _median(outcomes: Sequence[Outcome]) -> Outcome:
    return sorted(outcomes, key=lambda outcome: outcome.rate)[len(outcomes) // 2]


def report() -> str:
    """The rows as a table."""
    columns = ["lines", "system", "orders / s", "p50 ms", "p99 ms", "memory MiB", "ratio"]
    return table(f"Orders a second, {CONNECTIONS} at once, on two cores with the load generator", columns, run())


def _rows(lines: int, outcomes: Mapping[str, Outcome]) -> list[Sequence[object]]:
    theirs = outcomes.get(NODE)

    def ratio(outcome: Outcome) -> str:
        return f"{outcome.rate / theirs.rate:.1f} times" if theirs else ""

    return [
        (lines, name, outcome.rate, outcome.p50, outcome.p99, outcome.memory, "1" if name == NODE else ratio(outcome))
        for name, outcome in outcomes.items()
    ]


def _measure(shop: Shop, lines: int) -> Outcome:
    _await_drained(shop)
    before = _confirmed(shop)
    began = time.monotonic()
    load = shop.order(lines, SECONDS)
    _await_drained(shop)
    took = time.monotonic() - began
    if load.failed > load.requests * TOLERATED_FAILURES:
        raise RuntimeError(f"{load.failed} of {load.requests} orders failed")
    placed = load.requests if shop.count is None else _confirmed(shop) - before
    return Outcome(placed / took, load.p50, load.p99, memory_megabytes(shop.pids))


def _confirmed(shop: Shop) -> int:
    return _count(shop, "confirmed")


def _await_drained(shop: Shop, patience: float = 60.0) -> None:
    give_up = time.monotonic() + patience
    while _count(shop, "pending"):
        if time.monotonic() > give_up:
            raise RuntimeError(f"Orders are still pending {patience:.0f} s after the load has ended")
        time.sleep(0.005)


def _count(shop: Shop, status: str) -> int:
    return shop.count(status) if shop.count else 0


@contextlib.contextmanager
def atoll_shop(engine: str) -> Iterator[Shop]:
    """Ours, as `atoll up` runs it, on free ports and with its data on this disk."""
    if engine == EMBEDDED:
        try:
            binaries()
        except StartFailed as missing:
            raise Skipped(str(missing)) from missing
    with tempfile.TemporaryDirectory(dir=".") as folder, atoll_up(Path(folder), engine) as note:
        url = note.services["gateway"].url
        admin = _admin(url, Path(folder))
        thing = {"name": "Thing", "price": 10, "category": "things", "stock": STOCK}
        ids = [each["id"] for each in _post(f"{url}/api/products", [thing] * max(LINES), token=admin)]
        buyer = {"name": "Buyer", "email": "buyer@example.com", "password": "a-long-pass-phrase"}
        user_id = _post(f"{url}/api/users", buyer)["id"]
        token = _post(f"{url}/api/auth/login", {key: buyer[key] for key in ("email", "password")})["accessToken"]
        with _counting(orders_database(Path(folder), note)) as count:
            yield Shop(url, token, user_id, ids, family(note.runner_pid), count)


def orders_database(data: Path, note: RunningSystem) -> str:
    """Where orders keeps them."""
    ports = PortPlan({name: ServiceSpec() for name in note.services})
    for name, service in note.services.items():
        ports.bound(name, service.ports)
    return databases_of(DataFolder(data)).url("orders", ports)


@contextlib.contextmanager
def _counting(url: str) -> Iterator[Callable[[str], int]]:
    with asyncio.Runner() as runner:
        database = open_read_only(url)
        runner.run(database.__aenter__())

        def count(status: str) -> int:
            row = runner.run(database.fetch_one("SELECT count(*) FROM orders WHERE status = $1", status))
            return int(row[0]) if row else 0

        try:
            yield count
        finally:
            runner.run(database.__aexit__(None, None, None))


@contextlib.contextmanager
def atoll_up(data: Path, engine: str, patience: float = 60.0) -> Iterator[RunningSystem]:
    command = [sys.executable, "-m", "atoll.cli", "up", "--file", str(SYSTEM_FILE), "--data", str(data)]
    command += ["--database", engine]
    log = data / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port-base", "0", "--log-format", "json"], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        give_up = time.monotonic() + patience
        while " is up after " not in log.read_text():
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"atoll up does not come up:\n{log.read_text()}")
            time.sleep(0.05)
        note = DataFolder(data).running()
        assert note is not None
        yield note
    finally:
        process.terminate()
        process.wait(60)


def _admin(url: str, data: Path) -> str:
    """A token of an administrator, made on the command line as any first one is."""
    password = os.urandom(16).hex()
    credentials = {"email": "admin@example.com", "password": password}
    command = [sys.executable, "-m", "atoll.cli", "admin", "--data", str(data), "create"]
    subprocess.run([*command, "--email", credentials["email"], "--password", password], check=True, capture_output=True)
    return str(_post(f"{url}/api/auth/login", credentials)["accessToken"])


@contextlib.contextmanager
def node_shop() -> Iterator[Shop]:
    """The tutorial's, as four Node processes."""
    node = need("node")
    if not (NODE_SHOP / "node_modules").is_dir():
        raise Skipped(f"its packages are not installed (npm install in {NODE_SHOP})")
    ports = free_ports(4)
    with contextlib.ExitStack() as stack:
        servers = []
        for role, port in zip(("users", "products", "orders", "gateway"), ports, strict=True):
            others = [str(other) for other in ports[:3]]
            command = [node, str(NODE_SHOP / "shop.js"), role, str(port), *others]
            servers.append(stack.enter_context(running(command, port=port)))
        url = f"http://127.0.0.1:{ports[3]}"
        user_id = _post(f"{url}/api/users", {"name": "Buyer", "email": "buyer@example.com"})["_id"]
        thing = {"name": "Thing", "price": 10, "stock": STOCK}
        ids = [_post(f"{url}/api/products", thing)["_id"] for _ in range(max(LINES))]
        yield Shop(url, _node_token(user_id), user_id, ids, [server.pid for server in servers])


def _node_token(user_id: str) -> str:
    """What the tutorial's gateway takes: HS256 with the secret "secret"."""

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    signed = ".".join(part(json.dumps(each).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, {"id": user_id}))
    return f"{signed}.{part(hmac.digest(b'secret', signed.encode(), hashlib.sha256))}"


def _post(url: str, body: object, *, token: str = "") -> Any:
    headers: Mapping[str, str] = {"Content-Type": "application/json"}
    if token:
        headers = {**headers, "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), dict(headers))  # noqa: S310 - loopback only
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback only
        return json.load(answer)


if __name__ == "__main__":
    sys.stdout.write(report())
