"""The demo against the real shop, and against one that does not keep its promises."""

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from atoll.testing.system import running_system
from shop_demo.calls import Shop
from shop_demo.paper import Paper

SYSTEM_FILE = Path(__file__).parents[2] / "atoll.toml"


async def run(*command: str, environment: dict[str, str] | None = None) -> tuple[int | None, str]:
    """The exit code and what was printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        env={**os.environ, **(environment or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


@asynccontextmanager
async def broken_shop() -> AsyncIterator[str]:
    """A server that answers every call alike."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n{"error": "Something went wrong on our side."}')
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.system
async def test_the_shop_passes_once_and_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running_system(SYSTEM_FILE, data):
        first = await run("atoll.cli", "demo", "--data", str(data))
        second = await run("atoll.cli", "demo", "--data", str(data))

    assert first[0] == 0, first[1]
    assert "✓ All of it went as it should." in first[1]
    assert '"status": "confirmed"' in first[1]
    assert '"status": "cancelled"' in first[1]
    assert (data / "secrets" / "admin_password").read_text() not in first[1]
    assert second[0] == 0, second[1]
    assert "curl -X POST" in second[1]


async def test_the_first_surprise_ends_it() -> None:
    async with broken_shop() as url:
        environment = {"GATEWAY_URL": url, "ADMIN_EMAIL": "admin@shop.example", "ADMIN_PASSWORD": "secret"}
        code, printed = await run("shop_demo", environment=environment)

    assert code == 1
    assert "500 Internal Server Error" in printed
    assert "✗ GET /api/products?category=demo should answer 200, not 500." in printed


async def test_a_shop_that_is_not_there_is_a_surprise() -> None:
    environment = {"GATEWAY_URL": "http://127.0.0.1:9", "ADMIN_EMAIL": "a@b.c", "ADMIN_PASSWORD": "secret"}

    code, printed = await run("shop_demo", environment=environment)

    assert code == 1
    assert "got no proper answer" in printed


async def test_without_addresses_it_says_how_to_run_it() -> None:
    code, printed = await run("shop_demo", environment={"GATEWAY_URL": ""})

    assert code == 2
    assert "run this as `atoll demo`" in printed


def test_a_call_is_shown_as_a_shell_can_run_it() -> None:
    shop = Shop("http://127.0.0.1:3000", Paper(io.StringIO()))
    shop.sign_in_with("secret")

    command = shop.as_curl("POST", "/api/orders", {"name": "it's"}, {"Idempotency-Key": "k 1"})

    assert command == (
        'curl -X POST http://127.0.0.1:3000/api/orders -H "Authorization: Bearer $TOKEN" '
        "-H 'Idempotency-Key: k 1' -H 'Content-Type: application/json' "
        """-d '{"name": "it'"'"'s"}'"""
    )


def test_a_secret_is_left_to_the_shell() -> None:
    shop = Shop("http://127.0.0.1:3000", Paper(io.StringIO()), secrets={"ADMIN_PASSWORD": "it's hidden"})

    command = shop.as_curl("POST", "/api/auth/login", {"email": "a@b.c", "password": "it's hidden"}, {})

    assert command.endswith("""-d '{"email": "a@b.c", "password": "'"$ADMIN_PASSWORD"'"}'""")
