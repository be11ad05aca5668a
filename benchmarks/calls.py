"""What calling another service costs: CPU time of the calling process for one GET with a JSON answer of 200 bytes.

`ServiceClient` with everything on (discovery, deadline, bulkhead, retries and their budget, balancing, breaker,
metrics, trace, credential, a typed answer) against the connection it stands on, the wire, against a bare
parser on a bare protocol, and against httpx2. The server has a processor of its own; everybody keeps 32 calls
under way on uvloop. The aim: less than 25 µs on top of the wire.
"""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, cast

import httptools
import msgspec
import uvloop

from benchmarks.measuring import free_ports, running, say, table

CONCURRENT = 32
CALLS = 40_000
CALLS_OF_HTTPX = 4_000
ROUNDS = 5

ANSWER = json.dumps({"id": "0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11", "name": "Desk lamp", "stock": 12, "note": "x" * 110})
PATH = "/products/0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11"
TOKEN = "e" * 200


class Product(msgspec.Struct, frozen=True):
    id: str
    name: str
    stock: int
    note: str


class Server(asyncio.Protocol):
    """Answers whatever comes in one piece; as little as a server can do. Like our services it names itself."""

    answer = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n"
        f"Date: Sun, 22 Nov 2026 10:00:00 GMT\r\natoll-service: products\r\n\r\n{ANSWER}"
    ).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answer)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", port)
    await server.serve_forever()


Call: TypeAlias = Callable[[], Awaitable[object]]


@asynccontextmanager
async def bare(port: int) -> AsyncIterator[Call]:
    """A parser for each answer on a protocol that knows no error: what cannot be saved."""
    idle: list[Bare] = []
    head = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    decode = msgspec.json.Decoder(Product).decode

    async def call() -> object:
        if idle:
            connection = idle.pop()
        else:
            _, connection = await asyncio.get_running_loop().create_connection(Bare, "127.0.0.1", port)
        body = await connection.ask(head)
        idle.append(connection)
        return decode(body)

    yield call


class Bare(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.parts: list[bytes] = []
        self.parser = httptools.HttpResponseParser(self)
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.parts.append(data)

    def on_message_complete(self) -> None:
        self.answer.set_result(b"".join(self.parts))


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[Call]:
    """`ConnectionPool` and `ClientConnection`, as the gateway uses them."""
    from atoll.http1.errors import ConnectionFault
    from atoll.http1.messages import Fields
    from atoll.http1.pool import ConnectionPool

    class Receiver:
        def __init__(self) -> None:
            self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            self.parts: list[bytes] = []

        def on_head(self, status: int, fields: Fields) -> None:
            self.status = status

        def on_body(self, data: bytes) -> None:
            self.parts.append(data)

        def on_whole(self, status: int, fields: Fields, body: bytes, reusable: bool) -> None:
            self.status = status
            self.answer.set_result(body)

        def on_end(self, reusable: bool) -> None:
            self.answer.set_result(b"".join(self.parts))

        def on_lost(self, error: ConnectionFault) -> None:
            self.answer.set_exception(error)

        def pause_sending(self) -> None:
            pass

        def resume_sending(self) -> None:
            pass

    head = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    decode = msgspec.json.Decoder(Product).decode
    async with ConnectionPool("127.0.0.1", port) as pool:

        async def call() -> object:
            receiver = Receiver()
            taken = pool.take() or await pool.acquire()
            taken.start(head, receiver)
            return decode(await receiver.answer)

        yield call


@asynccontextmanager
async def service_client(port: int) -> AsyncIterator[Call]:
    """`ServiceClient`, as services use it."""
    from prometheus_client import CollectorRegistry

    from atoll.calls import ServiceClient
    from atoll.calls.metrics import CallMetrics
    from atoll.discovery.directory import FixedDirectory

    directory = FixedDirectory({"products": f"http://127.0.0.1:{port}"})
    async with ServiceClient("products", directory, credential=lambda service: TOKEN) as client:
        CallMetrics(CollectorRegistry()).watch(client)
        yield lambda: client.get(PATH, into=Product)


@asynccontextmanager
async def httpx2(port: int) -> AsyncIterator[Call]:
    """httpx2 with a total timeout, and nothing else of what `ServiceClient` does."""
    import httpx2 as httpx

    decode = msgspec.json.Decoder(Product).decode
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=2.0) as client:

        async def call() -> object:
            return decode((await client.get(PATH)).content)

        yield call


REFERENCE = "bare parser on a bare protocol"
WIRE = "`ConnectionPool`, `ClientConnection`: the wire"
CLIENTS = {
    REFERENCE: (bare, CALLS),
    WIRE: (connection, CALLS),
    "**`ServiceClient`, everything on**": (service_client, CALLS),
    "httpx2": (httpx2, CALLS_OF_HTTPX),
}


async def measure(name: str, port: int) -> float:
    """CPU µs of this process for one call."""
    client, calls = CLIENTS[name]
    async with client(port) as call:
        await _make(call, calls // 10)  # to warm up
        before = time.process_time()
        await _make(call, calls)
        return (time.process_time() - before) / calls * 1e6


async def _make(call: Call, calls: int) -> None:
    async def caller() -> None:
        for _ in range(calls // CONCURRENT):
            await call()

    await asyncio.gather(*(caller() for _ in range(CONCURRENT)))


def run() -> list[Sequence[object]]:
    """Rows of: the client, CPU µs of a call, those on top of the wire, and the multiple of the bare parser's."""
    (port,) = free_ports(1)
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-m", "benchmarks.calls", "serve", str(port)]
        stack.enter_context(running(command, port=port, cpu=1))
        taken: dict[str, list[float]] = {name: [] for name in CLIENTS}
        for _ in range(ROUNDS):  # in turns, so that a busy minute is everybody's
            for name in CLIENTS:
                taken[name].append(_in_process(name, port))
    micros = {name: statistics.median(figures) for name, figures in taken.items()}
    for name in CLIENTS:
        say(f"{name}: {micros[name]:.1f} µs")
    return [
        (
            name,
            f"{micros[name]:.1f}",
            f"{micros[name] - micros[WIRE]:+.1f}",
            f"{micros[name] / micros[REFERENCE]:.2f}",
        )
        for name in CLIENTS
    ]


def _in_process(name: str, port: int) -> float:
    """`measure` in a process of its own, so that nobody inherits another one's garbage."""
    command = [sys.executable, "-m", "benchmarks.calls", "measure", name, str(port)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)


def report() -> str:
    """The rows as a Markdown table."""
    columns = ["client", "CPU µs", "over the wire", "ratio"]
    return table("CPU time of a caller for one call between services", columns, run())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", port]:
            uvloop.run(serve(int(port)))
        case ["measure", name, port]:
            print(uvloop.run(measure(name, int(port))))
        case _:
            print(report())
