"""What stands in a benchmark of gateways besides the load: our gateway with everything on, and trivial upstreams.

`python -m benchmarks.gateway_programs door FOLDER PORT UPSTREAM …` · `upstream PORT`
"""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import uvloop

from atoll.discovery.instance import ServiceInstance
from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GatewaySettings, LimitSettings, RouteSettings
from atoll.identity.keys import KeyRing, SigningKey
from atoll.identity.tokens import TokenIssuer
from atoll.lifecycle import run as run_program
from atoll.lifecycle.process import search_seldom
from benchmarks.measuring import free_ports, running

PROGRAMS = "benchmarks.gateway_programs"

MEASURED, REST = 0, 1
"""Processors: of the gateway, and of everything else."""

LARGE = 1_000_000
"""Bytes of a large answer, and of a large request."""

ROUTES = (
    RouteSettings(path="/things", to="things", access="public"),
    RouteSettings(path="/things/{id}", to="things", access="public"),
    RouteSettings(path="/things/{id}/secret", to="things", access="user"),
    RouteSettings(path="/browse", to="things", access="public", priority="low"),
    RouteSettings(path="/orders", to="things", access="user", priority="high"),
    RouteSettings(path="/limited", to="things", access="public", limit="tiny"),
    *(RouteSettings(path=f"/other{n}/{{id}}", to="things", access="admin") for n in range(20)),
)
LIMITS = {
    "default": LimitSettings(address="1_000_000_000 per min", user="1_000_000_000 per min"),
    "tiny": LimitSettings(address="1 per day"),
}
ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 06:30:51 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: 200\r\n\r\n" + b'{"text":"%b"}' % (b"x" * 189)
)
LARGE_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (LARGE, b"x" * LARGE)

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en",
}
"""What a client sends along."""


def door(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
    """The command of our gateway. Its key is in `folder`; BENCHMARK_OPS_PORT says where its metrics are."""
    return [sys.executable, "-m", PROGRAMS, "door", str(folder), str(port), *map(str, upstreams)]


def token_of(folder: Path) -> str:
    """An access token that the door of this folder believes."""
    ring = KeyRing([SigningKey.from_json((folder / "key.json").read_bytes())])
    return TokenIssuer(ring).issue("somebody", ["user", "admin"])


@contextlib.contextmanager
def upstreams_running() -> Iterator[Sequence[int]]:
    """Two instances of the service behind the gateways, on their ports."""
    ports = free_ports(2)
    with contextlib.ExitStack() as stack:
        for port in ports:
            command = [sys.executable, "-m", PROGRAMS, "upstream", str(port)]
            stack.enter_context(running(command, port=port, cpu=REST))
        yield ports


@contextlib.contextmanager
def rest_elsewhere() -> Iterator[None]:
    """Keep this process, and what it starts, off the gateway's processor."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) <= REST:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {REST})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Upstream(asyncio.Protocol):
    """Answers every request, once its body is there, with `ANSWER`, or with `LARGE_ANSWER` if the target asks for it.

    Takes for granted that a head comes whole, and that its body has a length: so do all gateways here send them.
    """

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport
        self._answer = ANSWER
        self._missing = 0
        """Bytes of the request that have not come yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._answer = LARGE_ANSWER if b"?large " in data[:200] else ANSWER
            self._missing = len(data) if data.startswith(b"GET ") else _length(data)
        self._missing -= len(data)
        if not self._missing:
            self._transport.write(self._answer)


_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _length(start: bytes) -> int:
    """Of a request of which this is the start, in bytes, the head with it."""
    end = start.index(b"\r\n\r\n") + 4
    found = _LENGTH.search(start, 0, end)
    return end + int(found[1]) if found else end


class _Instances:
    """A directory of two."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._all = tuple(ServiceInstance(str(each), "things", "127.0.0.1", each) for each in ports)

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self._all


async def _serve_upstream(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


async def _serve_door(folder: Path, port: int, upstreams: Sequence[int]) -> None:
    search_seldom()  # as `main` does for every service
    key = SigningKey.generate()
    (folder / "key.json").write_text(key.to_json())
    ops_port = int(os.environ.get("BENCHMARK_OPS_PORT", "0"))
    settings = GatewaySettings(port=port, ops_port=ops_port, routes=ROUTES, limits=LIMITS)
    await run_program(create_gateway(settings, directory=_Instances(upstreams), keys=KeyRing([key])), settings)


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal comes."""
    match arguments:
        case ["door", folder, port, *upstreams]:
            uvloop.run(_serve_door(Path(folder), int(port), [int(each) for each in upstreams]))
        case ["upstream", port]:
            uvloop.run(_serve_upstream(int(port)))


if __name__ == "__main__":
    main(sys.argv[1:])
