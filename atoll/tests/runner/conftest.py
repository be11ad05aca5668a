"""Small programs that speak the supervisor line, and a real `atoll up` that runs them."""

import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from atoll.runner.data_folder import DataFolder
from atoll.runner.system_file import ServiceSpec, System
from atoll.testing.system import SystemUnderTest, starting_system

SERVICE = '''
"""Serves /health, /ready, /environment and /die on PORT, as told over the supervisor line."""

import json, os, signal, socket, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        answers = {
            "/health": {"uptime": 75.0, "memory": {"rss": 36 << 20}},
            "/ready": {"checks": {"database": {"status": "up"}}},
            "/environment": dict(os.environ),
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answers[self.path]).encode())

    def log_message(self, *_):
        pass


def tell(message):
    line.sendall(json.dumps(message).encode() + b"\\n")


def stop(*_):
    print("stopping", flush=True)
    tell({"stopping": True})
    os._exit(0)


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
line = socket.socket(fileno=int(os.environ["ATOLL_SUPERVISOR_FD"]))
signal.signal(signal.SIGTERM, stop)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("serving", flush=True)
tell({"ready": {"port": server.server_port}})
while line.recv(1024):
    pass
stop()
'''

PROGRAMS = {
    "service": SERVICE,
    "slow": SERVICE.replace('"/ready": {', '"/ready": {"asked": asked.append(1) or asked, ')
    .replace("self.send_response(200)", 'self.send_response(503 if self.path == "/ready" and len(asked) < 5 else 200)')
    .replace("class Handler", "asked = []\n\n\nclass Handler"),
    "stubborn": SERVICE.replace('print("stopping", flush=True)', "return"),
    "broken": 'raise SystemExit("I have no database.")',
    "articulate": SERVICE.split("server =", maxsplit=1)[0]
    + "import socket\nline = socket.socket(fileno=int(os.environ['ATOLL_SUPERVISOR_FD']))\n"
    + "tell({'failed': 'PORT must be a number.'})\nsys.exit(2)",
    "silent": "import time\ntime.sleep(60)",
    "parent": "import subprocess\nsubprocess.Popen(['sleep', '60'])\nimport service",
    "server": (
        "import os, sys\nfrom http.server import *\n"
        "ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()"
    ),
}

PAIR = """
[system]
name = "pair"
[services.users]
module = "service"
{kind} = true
[services.orders]
module = "service"
{kind} = true
needs = ["users"]
[services.door]
module = "service"
needs = ["orders"]
"""


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    """A data folder that nobody has used yet."""
    return DataFolder(tmp_path / "data")


@pytest.fixture
def shop_with() -> Callable[[ServiceSpec], System]:
    """A system whose services users and orders have what is given, a database say, and whose gateway has not."""

    def system(spec: ServiceSpec) -> System:
        services = {
            "users": msgspec.structs.replace(spec, module="users"),
            "orders": msgspec.structs.replace(spec, module="orders", needs=("users",)),
            "gateway": ServiceSpec(module="gateway", needs=("orders",)),
        }
        return System(path=Path("/system/atoll.toml"), name="shop", first_call="/", services=services, commands={})

    return system


@pytest.fixture
def pair_with(folder: Path) -> Callable[[str], Path]:
    """The file of such a system of small programs, with a door in place of the gateway."""

    def write(kind: str) -> Path:
        file = folder / "atoll.toml"
        file.write_text(PAIR.format(kind=kind))
        return file

    return write


@pytest.fixture
def environment_of() -> Callable[[str], dict[str, str]]:
    """What the small program at a URL finds in its environment."""

    def ask(url: str) -> dict[str, str]:
        with urllib.request.urlopen(f"{url}/environment", timeout=10) as answer:  # noqa: S310 - our own service
            environment: dict[str, str] = json.loads(answer.read())
        return environment

    return ask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the small programs."""
    for name, text in PROGRAMS.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "files.json").write_text('["one", "two"]')
    return tmp_path


@pytest.fixture
async def starting(folder: Path) -> AsyncIterator[Callable[..., Awaitable[SystemUnderTest]]]:
    """Start `atoll up` on the text of a system file, and do not wait; in the end it is stopped."""
    async with AsyncExitStack() as started:

        async def start(system: str, *options: str, environment: dict[str, str] | None = None) -> SystemUnderTest:
            file = folder / "atoll.toml"
            file.write_text(system)
            return await started.enter_async_context(
                starting_system(file, folder / "data", options=options, environment=environment)
            )

        yield start


@pytest.fixture
def running(
    starting: Callable[..., Awaitable[SystemUnderTest]],
) -> Callable[..., Awaitable[SystemUnderTest]]:
    """Start `atoll up` on the text of a system file, and wait until everything is up."""

    async def start(*arguments: Any, **options: Any) -> SystemUnderTest:
        system = await starting(*arguments, **options)
        await system.line_with(" is up after ")
        return system

    return start
