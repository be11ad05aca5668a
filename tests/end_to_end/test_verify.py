"""`atoll load` and `atoll verify` on the real system: while services are killed, and when something is wrong."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.shopping import SYSTEM_FILE

from atoll.storage import open_database
from atoll.testing.system import SystemUnderTest, running_system

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

ALL_BUT_RESTARTS = dict.fromkeys((*range(1, 12), 16), "ok")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(keeping_of_module: Any) -> AsyncIterator[SystemUnderTest]:
    async with running_system(SYSTEM_FILE, keeping_of_module.data, options=keeping_of_module.options) as system:
        yield system


async def start(data: Path, command: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "atoll.cli", command, "--file", str(SYSTEM_FILE), "--data", str(data), *arguments),
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def run(data: Path, command: str, *arguments: str) -> tuple[int | None, str]:
    """The exit code, and what was printed."""
    process = await start(data, command, *arguments)
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def verdicts(data: Path, *arguments: str) -> tuple[int | None, dict[int, str]]:
    """The exit code, and the outcome of each promise."""
    code, printed = await run(data, "verify", "--json", *arguments)
    report: dict[str, Any] = json.loads(printed)
    return code, {verdict["number"]: verdict["outcome"] for verdict in report["verdicts"]}


async def test_every_promise_is_kept_while_services_are_killed_under_load(
    system: SystemUnderTest, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    load = await start(system.data, "load", "--for", "6", "--concurrency", "8", "--history", str(history))
    for service in ("orders", "products", "gateway"):
        await asyncio.sleep(0.7)  # there is no event for "in the middle of it"
        await system.crash(service)
    printed, _ = await load.communicate()
    code, found = await verdicts(system.data, "--history", str(history))

    assert 0 == load.returncode, printed.decode()
    assert ALL_BUT_RESTARTS | {12: "not visible"} == found
    assert 0 == code


async def test_every_promise_is_kept_when_more_is_wanted_than_there_is(system: SystemUnderTest, tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    load = ("--for", "2", "--stock", "10", "--mix", "place=9,cancel=1", "--lines", "1-3", "--history", str(history))
    code, printed = await run(system.data, "load", *load)
    verified, found = await verdicts(system.data, "--history", str(history))

    assert 0 == code, printed
    assert "400: " in printed
    assert ALL_BUT_RESTARTS | {12: "not visible"} == found
    assert 0 == verified


async def test_ctrl_c_ends_a_load_with_its_summary(system: SystemUnderTest) -> None:
    load = await start(system.data, "load", "--for", "600", "--rate", "20")
    assert load.stdout is not None
    async for line in load.stdout:
        if b"orders/s" in line:
            break
    load.send_signal(signal.SIGINT)
    printed, _ = await load.communicate()

    assert 0 == load.returncode, printed.decode()
    assert b"Every answer was one that was promised." in printed


async def test_another_machine_is_not_loaded(system: SystemUnderTest) -> None:
    code, printed = await run(system.data, "load", "--url", "http://shop.example:3000")

    assert 2 == code
    assert "shop.example is not this machine" in printed


async def test_a_stopped_system_is_verified_and_stock_out_of_thin_air_is_found(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running_system(SYSTEM_FILE, data):
        code, printed = await run(data, "load", "--count", "20")
        await verdicts(data)  # which waits until everything is settled
    stopped_code, healthy = await verdicts(data)
    async with open_database(f"sqlite:///{data}/products.db") as products:
        await products.transaction(lambda tx: tx.execute("UPDATE stock SET available = available + 1"))
    broken_code, broken = await verdicts(data)

    assert 0 == code, printed
    assert (0, "ok") == (stopped_code, healthy[1])
    assert (1, "broken") == (broken_code, broken[1])
