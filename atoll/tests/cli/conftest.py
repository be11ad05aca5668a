from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from atoll.cli.commands import atoll
from atoll.testing.system import SystemUnderTest, running_system

SERVICE = """
import json, os, socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "/health": (200, {"uptime": 75.0, "memory": {"rss": 36 << 20}}),
    "/ready": (200, {"checks": {"database": {"status": "up"}}}),
}
if os.environ.get("MOOD") == "bad":
    ANSWERS["/ready"] = (503, {"checks": {"database": {"status": "down", "detail": "no answer within 2 s"}}})


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = ANSWERS[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
line = socket.socket(fileno=int(os.environ["ATOLL_SUPERVISOR_FD"]))
line.sendall(json.dumps({"ready": {"port": server.server_port}}).encode() + b"\\n")
server.serve_forever()
"""

SYSTEM = """
[system]
name = "small"
[services.users]
module = "service"
port = 3001
database = true
[services.store]
module = "service"
needs = ["users"]
[commands.tell]
help = "Tell what it was given."
module = "teller"
arguments = ["first"]
[commands.work]
module = "teller"
service = "users"
secrets = ["password"]
environment = { MOOD = "good" }
[commands.look]
module = "teller"
needs_running = true
"""

TELLER = """
import json, os, sys
names = ("USERS_URL", "STORE_URL", "DATABASE_URL", "PASSWORD", "MOOD", "PORT", "ATOLL_DATA")
print(json.dumps({"arguments": sys.argv[1:], **{name: os.environ.get(name) for name in names}}))
sys.exit(7)
"""

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small system in the working directory."""
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "teller.py").write_text(TELLER)
    (tmp_path / "atoll.toml").write_text(SYSTEM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run() -> Run:
    """`atoll` with some arguments: what it prints, and its exit code."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(atoll, arguments, prog_name="atoll")

    return run


@pytest.fixture
async def small(folder: Path) -> AsyncIterator[SystemUnderTest]:
    """The small system, running."""
    async with running_system(folder / "atoll.toml", folder / "data") as system:
        yield system
