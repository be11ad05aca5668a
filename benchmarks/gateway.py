"""What the gateway costs: CPU time of its process for one proxied request, beside other gateways, in one run.

Answers of 200 bytes over 64 and over 512 connections, and of 1 MiB; and what it costs to refuse one. The gateway has
one processor for itself; the load (wrk) and a trivial upstream share the other. Ours is measured with everything on:
strict reading, heads written anew, routes, limits, balancing over two instances, breakers, retry budget, metrics, trace
header, access log; with and without a token to check. The others do what their shortest sensible configuration does.
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from benchmarks.measuring import (
    Skipped,
    cpu_seconds,
    family,
    free_ports,
    memory_megabytes,
    need,
    running,
    say,
    table,
    wrk,
)

SECONDS = 3.0
WARM_UP = 1.0
TOLERATED_FAILURES = 0.02
"""Of all requests: the slowest peers let some time out on a busy machine."""

ROUNDS = 3

LARGE = 1024 * 1024
"""Bytes of a large answer."""

MEASURED, REST = 0, 1
"""Processors: of the gateway, and of everything else."""

ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 06:30:51 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: 200\r\n\r\n" + b'{"text":"%b"}' % (b"x" * 189)
)
LARGE_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (LARGE, b"x" * LARGE)
NODE_MODULES = Path(__file__).with_name("peers") / "node" / "node_modules"

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en",
}


@dataclass(frozen=True)
class Case:
    """What is asked for: so many connections, an answer of which kind, and what is expected of it."""

    title: str
    connections: int = 64
    suffix: str = ""
    refused: bool = False


CASES = (
    Case("200 bytes, 64 connections"),
    Case("200 bytes, 512 connections", connections=512),
    Case("1 MiB, 64 connections", suffix="?large"),
)
REFUSAL = Case("a refusal, 64 connections", refused=True)


@dataclass(frozen=True)
class Contender:
    """One gateway: how to start it in a folder, on a port, in front of the upstreams' ports."""

    name: str
    command: Callable[[Path, int, Sequence[int]], Sequence[str]]
    path: str = "/api/things/1"
    with_token: bool = False
    cases: Sequence[Case] = CASES


# The gateways, each with its configuration.


def _ours(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
    return [sys.executable, "-m", "benchmarks.gateway", "door", str(folder), str(port), *map(str, upstreams)]


def _nginx(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
    servers = " ".join(f"server 127.0.0.1:{each};" for each in upstreams)
    (folder / "nginx.conf").write_text(
        f"""worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr crit;
        events {{ worker_connections 4096; }}
        http {{
            log_format json escape=json '{{"time":"$time_iso8601","uri":"$uri","status":$status,"t":$request_time}}';
            access_log {folder}/access.log json buffer=64k flush=1s;
            keepalive_requests 100000000;
            client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
            uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
            upstream things {{ {servers} keepalive 128; keepalive_requests 100000000; }}
            server {{ listen 127.0.0.1:{port};
                location /api/things {{ rewrite ^/api(.*)$ $1 break; proxy_pass http://things;
                    proxy_http_version 1.1; proxy_set_header Connection "";
                    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id; }} }}
        }}"""
    )
    return [need("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]


def _haproxy(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
    servers = "\n".join(f"  server s{each} 127.0.0.1:{each} maxconn 1000" for each in upstreams)
    (folder / "haproxy.cfg").write_text(
        f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend door
  bind 127.0.0.1:{port}
  use_backend things if {{ path_beg /api/things }}
backend things
  balance leastconn
  option forwardfor
  http-request replace-path /api(/.*) \\1
{servers}
"""
    )
    return [need("haproxy"), "-q", "-f", str(folder / "haproxy.cfg")]


def _caddy(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
    targets = " ".join(f"127.0.0.1:{each}" for each in upstreams)
    (folder / "Caddyfile").write_text(
        f"""{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  bind 127.0.0.1
  handle_path /api/* {{
    rewrite * {{path}}
    reverse_proxy {targets} {{
      lb_policy least_conn
    }}
  }}
}}
"""
    )
    return ["env", "GOMAXPROCS=1", f"HOME={folder}", need("caddy"), "run", "--config", str(folder / "Caddyfile")]


def _node(program: str) -> Callable[[Path, int, Sequence[int]], Sequence[str]]:
    def command(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
        if not NODE_MODULES.is_dir():
            raise Skipped(f"its packages are not installed (npm install in {NODE_MODULES.parent.name})")
        script = folder / "gateway.js"
        script.write_text(program)
        return ["env", f"NODE_PATH={NODE_MODULES}", need("node"), str(script), str(port), *map(str, upstreams)]

    return command


EXPRESS = """
const [port, upstream] = process.argv.slice(2);
const { createProxyMiddleware } = require("http-proxy-middleware");
const agent = new (require("http").Agent)({ keepAlive: true, maxSockets: 256 });
const target = `http://127.0.0.1:${upstream}`;
require("express")()
  .use("/api/things", createProxyMiddleware({ target, agent, pathRewrite: { "^/api": "" }, logLevel: "silent" }))
  .listen(port, "127.0.0.1");
"""

FASTIFY = """
const [port, upstream] = process.argv.slice(2);
const app = require("fastify")();
const target = `http://127.0.0.1:${upstream}`;
app.register(require("@fastify/http-proxy"), { upstream: target, prefix: "/api/things", rewritePrefix: "/things" });
app.listen({ port: Number(port), host: "127.0.0.1" });
"""

CONTENDERS = (
    Contender("Atoll, token checked", _ours, "/api/things/1/secret", with_token=True),
    Contender("Atoll, public route", _ours),
    Contender("Atoll, over the limit (429)", _ours, "/api/limited", cases=(REFUSAL,)),
    Contender("Atoll, without a token (401)", _ours, "/api/things/1/secret", cases=(REFUSAL,)),
    Contender("Atoll, no such path (404)", _ours, "/api/nothing", cases=(REFUSAL,)),
    Contender("nginx, one worker", _nginx),
    Contender("HAProxy, one thread", _haproxy),
    Contender("Caddy, GOMAXPROCS=1", _caddy),
    Contender("Express, keep-alive agent", _node(EXPRESS)),
    Contender("Fastify http-proxy", _node(FASTIFY)),
)


# Measuring.


@dataclass(frozen=True)
class Row:
    """What one gateway took: CPU in µs for a request, requests a second, latencies in ms, memory in MiB."""

    name: str
    case: Case
    cpu: float
    rate: float
    p50: float
    p99: float
    memory: float


def run(seconds: float = SECONDS, rounds: int = ROUNDS, names: Sequence[str] = ()) -> tuple[list[Row], list[str]]:
    """Every contender that can be measured here (or those whose name begins with one of `names`), and the reasons
    why others cannot."""
    rows, skipped = [], []
    chosen = [each for each in CONTENDERS if not names or each.name.startswith(tuple(names))]
    with rest_elsewhere(), upstreams_running() as upstreams:
        for contender in chosen:
            say(f"  {contender.name}")
            try:
                rows += _measure(contender, upstreams, seconds, rounds)
            except Skipped as reason:
                skipped.append(f"{contender.name}: {reason}")
    return rows, skipped


def _measure(contender: Contender, upstreams: Sequence[int], seconds: float, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (port,) = free_ports(1)
        command = contender.command(folder, port, upstreams)
        url = f"http://127.0.0.1:{port}{contender.path}"
        with running(command, port=port, cpu=MEASURED) as process:
            headers = {**BROWSER, **({"Authorization": f"Bearer {_token(folder)}"} if contender.with_token else {})}
            pids = family(process.pid)
            rows = []
            for case in contender.cases:
                wrk(url + case.suffix, connections=case.connections, seconds=WARM_UP, headers=headers)
                taken = [_round(case, url + case.suffix, headers, pids, seconds) for _ in range(rounds)]
                cpu, rate, p50, p99 = (statistics.median(each) for each in zip(*taken, strict=True))
                rows.append(Row(contender.name, case, cpu, rate, p50, p99, memory_megabytes(pids)))
            return rows


def _round(
    case: Case, url: str, headers: dict[str, str], pids: Sequence[int], seconds: float
) -> tuple[float, float, float, float]:
    before = cpu_seconds(pids)
    load = wrk(url, connections=case.connections, seconds=seconds, headers=headers)
    used = cpu_seconds(pids) - before
    unexpected = load.requests - load.failed if case.refused else load.failed
    if unexpected > load.requests * TOLERATED_FAILURES:
        raise Skipped(f"{unexpected} of {load.requests} requests ended otherwise than they should")
    return used / load.requests * 1e6, load.rate, load.p50, load.p99


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


@contextlib.contextmanager
def upstreams_running() -> Iterator[Sequence[int]]:
    ports = free_ports(2)
    with contextlib.ExitStack() as stack:
        for port in ports:
            command = [sys.executable, "-m", "benchmarks.gateway", "upstream", str(port)]
            stack.enter_context(running(command, port=port, cpu=REST))
        yield ports


def _token(folder: Path) -> str:
    from atoll.identity.keys import KeyRing, SigningKey
    from atoll.identity.tokens import TokenIssuer

    ring = KeyRing([SigningKey.from_json((folder / "key.json").read_bytes())])
    return TokenIssuer(ring).issue("somebody", ["user", "admin"])


# The programs behind `_ours` and `_upstreams`.


class Upstream(asyncio.Protocol):
    """Answers every head it sees with `ANSWER`, or with a large one if the target asks for it."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        answer = LARGE_ANSWER if b"?large " in data[:200] else ANSWER
        self._transport.write(answer * data.count(b"\r\n\r\n"))


async def _serve_upstream(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


async def _serve_door(folder: Path, port: int, upstreams: Sequence[int]) -> None:
    from atoll.discovery.instance import ServiceInstance
    from atoll.gateway.app import create_gateway
    from atoll.gateway.settings import GatewaySettings, LimitSettings, RouteSettings
    from atoll.identity.keys import KeyRing, SigningKey
    from atoll.lifecycle import run as run_program

    class Instances:
        def __init__(self) -> None:
            self._all = tuple(ServiceInstance(str(each), "things", "127.0.0.1", each) for each in upstreams)

        def instances(self, service: str) -> Sequence[ServiceInstance]:
            return self._all

    key = SigningKey.generate()
    (folder / "key.json").write_text(key.to_json())
    routes = (
        RouteSettings(path="/things", to="things", access="public"),
        RouteSettings(path="/things/{id}", to="things", access="public"),
        RouteSettings(path="/things/{id}/secret", to="things", access="user"),
        RouteSettings(path="/browse", to="things", access="public", priority="low"),
        RouteSettings(path="/important", to="things", access="public", priority="high"),
        RouteSettings(path="/limited", to="things", access="public", limit="tiny"),
        *(RouteSettings(path=f"/other{n}/{{id}}", to="things", access="admin") for n in range(20)),
    )
    limits = {
        "default": LimitSettings(address="1_000_000_000 per min", user="1_000_000_000 per min"),
        "tiny": LimitSettings(address="1 per day"),
    }
    ops_port = int(os.environ.get("BENCHMARK_OPS_PORT", "0"))
    per_instance = int(os.environ.get("BENCHMARK_PER_INSTANCE", "512"))
    settings = GatewaySettings(
        port=port, ops_port=ops_port, routes=routes, limits=limits, max_connections_per_instance=per_instance
    )
    await run_program(create_gateway(settings, directory=Instances(), keys=KeyRing([key])), settings)


def report() -> str:
    rows, skipped = run()
    notes = "".join(f"Not measured: {reason}.\n" for reason in skipped)
    return "\n".join([*(_table(case, rows) for case in (*CASES, REFUSAL)), notes])


def _table(case: Case, rows: Sequence[Row]) -> str:
    """The rows of one case; what refuses is beside what forwards, over as many connections."""
    others = [row for row in rows if case is REFUSAL and row.case is CASES[0] and row.name.startswith("Atoll")]
    chosen = [*others, *(row for row in rows if row.case is case)]
    measured = CASES[0] if case is REFUSAL else case
    nginx = next((row.cpu for row in rows if row.case is measured and row.name.startswith("nginx")), None)
    cells = [
        (row.name, row.cpu, f"{row.cpu / nginx:.2f}" if nginx else "", round(row.rate), row.p50, row.p99, row.memory)
        for row in chosen
    ]
    columns = ("gateway", "CPU µs / request", "of nginx's", "requests/s", "p50 ms", "p99 ms", "MiB")
    return table(f"Gateway: {case.title}", columns, cells)


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["upstream", port]:
            _run_fast(_serve_upstream(int(port)))
        case ["door", folder, port, *upstreams]:
            _run_fast(_serve_door(Path(folder), int(port), [int(each) for each in upstreams]))
        case _:
            print(report())


def _run_fast(program: Coroutine[None, None, None]) -> None:
    import uvloop

    uvloop.run(program)


if __name__ == "__main__":
    main(sys.argv[1:])
