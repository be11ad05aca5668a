"""Orders a second through the whole system, next to the same shop built as the usual Node tutorial builds it.

Ours is durable, checks tokens, keeps Idempotency-Keys, and counts an order once it is *confirmed*, with the backlog
drained inside the measured time. Node's keeps everything in memory and counts what it answered.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.runner.data_folder import DataFolder
from atoll.runner.running_system import RunningSystem
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


@dataclass(frozen=True)
class Shop:
    """A running shop: where to order, as whom, and what there is."""

    url: str
    token: str
    user_id: str
    product_ids: Sequence[str]
    pids: Sequence[int]
    database: Path | None = None

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
        ours = stack.enter_context(atoll_shop())
        theirs = _if_possible(stack, node_shop())
        return [row for lines in LINES for row in _rows(lines, *_in_turns(ours, theirs, lines))]


def _if_possible(stack: contextlib.ExitStack, shop: contextlib.AbstractContextManager[Shop]) -> Shop | None:
    try:
        return stack.enter_context(shop)
    except Skipped as reason:
        say(f"Node is not measured: {reason}")
        return None


def _in_turns(ours: Shop, theirs: Shop | None, lines: int) -> tuple[Outcome, Outcome | None]:
    shops = [shop for shop in (ours, theirs) if shop is not None]
    for shop in shops:
        shop.order(lines, WARM_UP)
    rounds = [[_measure(shop, lines) for shop in shops] for _ in range(ROUNDS)]
    outcomes = [_median(each) for each in zip(*rounds, strict=True)]
    say(f"{lines} lines: {', '.join(f'{outcome.rate:,.0f}' for outcome in outcomes)} orders/s")
    return outcomes[0], outcomes[1] if theirs else None


def _median(outcomes: Sequence[Outcome]) -> Outcome:
    return sorted(outcomes, key=lambda outcome: outcome.rate)[len(outcomes) // 2]


def report() -> str:
    """The rows as a table."""
    columns = ["lines", "system", "orders / s", "p50 ms", "p99 ms", "memory MiB", "ratio"]
    return table(f"Orders a second, {CONNECTIONS} at once, on two cores with the load generator", columns, run())


def _rows(lines: int, ours: Outcome, theirs: Outcome | None) -> list[Sequence[object]]:
    def row(name: str, outcome: Outcome, ratio: str) -> Sequence[object]:
        return lines, name, outcome.rate, outcome.p50, outcome.p99, outcome.memory, ratio

    rows = [row("**Atoll**: durable, confirmed", ours, f"{ours.rate / theirs.rate:.1f} times" if theirs else "")]
    if theirs:
        rows.append(row("Node and Express: in memory", theirs, "1"))
    return rows


def _measure(shop: Shop, lines: int) -> Outcome:
    _await_drained(shop)
    before = _confirmed(shop)
    began = time.monotonic()
    load = shop.order(lines, SECONDS)
    _await_drained(shop)
    took = time.monotonic() - began
    if load.failed > load.requests * TOLERATED_FAILURES:
        raise RuntimeError(f"{load.failed} of {load.requests} orders failed")
    placed = load.requests if shop.database is None else _confirmed(shop) - before
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
    if shop.database is None:
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{shop.database}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM orders WHERE status = ?", (status,)).fetchone()
    return int(count)


@contextlib.contextmanager
def atoll_shop() -> Iterator[Shop]:
    """Ours, as `atoll up` runs it, on free ports and with its data on this disk."""
    with tempfile.TemporaryDirectory(dir=".") as folder, _atoll_up(Path(folder)) as note:
        url = note.services["gateway"].url
        admin = _admin(url, Path(folder))
        thing = {"name": "Thing", "price": 10, "category": "things", "stock": STOCK}
        ids = [each["id"] for each in _post(f"{url}/api/products", [thing] * max(LINES), token=admin)]
        buyer = {"name": "Buyer", "email": "buyer@example.com", "password": "a-long-pass-phrase"}
        user_id = _post(f"{url}/api/users", buyer)["id"]
        token = _post(f"{url}/api/auth/login", {key: buyer[key] for key in ("email", "password")})["accessToken"]
        yield Shop(url, token, user_id, ids, family(note.runner_pid), Path(folder) / "orders.db")


@contextlib.contextmanager
def _atoll_up(data: Path, patience: float = 60.0) -> Iterator[RunningSystem]:
    command = [sys.executable, "-m", "atoll.cli", "up", "--file", str(SYSTEM_FILE), "--data", str(data)]
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
