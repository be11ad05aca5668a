import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from atoll.runner.calls_status import CallsStatus
from atoll.runner.running_system import RunningService, RunningSystem
from atoll.runner.status import ServiceStatus, status_of
from atoll.testing.system import SystemUnderTest, starting_system

Run = Callable[..., Result]


def test_nothing_runs_is_a_sentence_and_an_exit_code(run: Run, folder: Path) -> None:
    result = run("status")

    assert result.exit_code == 1
    assert "Error: Nothing runs on the data folder data; start the system with `atoll up`." in result.output


@pytest.mark.system
async def test_the_table_tells_how_each_service_is(run: Run, small: SystemUnderTest) -> None:
    result = await asyncio.to_thread(run, "status")

    assert result.exit_code == 0
    users = next(line for line in result.output.splitlines() if line.startswith("users"))
    port, pid = small.service("users").ports["port"], small.service("users").pid
    assert users.split() == ["users", "ready", str(port), str(pid), "1m", "15s", "0", "36", "MB", "database", "✓"]
    assert f"looked after by process {small.pid}" in result.output.replace("\n", " ")


@pytest.mark.system
async def test_programs_get_json(run: Run, small: SystemUnderTest) -> None:
    result = await asyncio.to_thread(run, "status", "--json")

    told = json.loads(result.output)
    assert (told["name"], told["runnerPid"]) == ("small", small.pid)
    users = small.service("users")
    assert told["services"][0] == {
        "name": "users",
        "state": "up",
        "pid": users.pid,
        "port": users.ports["port"],
        "url": users.url,
        "restarts": 0,
        "healthy": True,
        "ready": True,
        "uptime": 75.0,
        "memory": 36 << 20,
        "checks": {"database": "up"},
        "calls": [],
    }


@pytest.mark.system
async def test_a_service_that_misses_something_is_not_ready(run: Run, folder: Path) -> None:
    async with starting_system(folder / "atoll.toml", folder / "data", environment={"MOOD": "bad"}) as system:
        await system.line_with("store is up")
        result = await asyncio.to_thread(run, "status")

    assert result.exit_code == 1
    assert "not ready" in result.output
    assert "database ✗ no answer" in result.output


@pytest.mark.parametrize(
    "body", [{"memory": 12}, {"uptime": "a while"}, {"checks": ["database"]}, {"checks": {"database": "ok"}}]
)
async def test_a_foreign_program_may_say_how_it_is_in_its_own_way(body: dict[str, object]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(body).encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        foreign = RunningService("up", 1, {"port": 1}, url, url, 0, None)
        running = RunningSystem("small", "", 1, datetime(2030, 1, 1, tzinfo=UTC), {"foreign": foreign})
        [told] = await status_of(running)

    assert (True, None, None, {}) == (told.ready, told.uptime, told.memory, told.checks)


def test_one_that_does_not_answer_says_so() -> None:
    from atoll.cli.status_table import status_table

    silent = ServiceStatus("users", "up", 1, 3001, "", 0, False, False, None, None, {})

    assert [str(cell) for cell in status_table([silent]).columns[1].cells] == ["no answer"]


def test_calls_are_shown_with_the_state_of_each_instance() -> None:
    from rich.console import Console

    from atoll.cli.status_table import calls_table

    calls = [CallsStatus("products", {"127.0.0.1:1": "closed", "127.0.0.1:2": "open"}, 3, 97.0, 1)]
    orders = ServiceStatus("orders", "up", 1, 3003, "", 0, True, True, None, None, {}, calls)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(calls_table([orders]))

    shown = captured.get().splitlines()[-1].split()
    assert shown == ["orders", "→", "products", "127.0.0.1:1", "✓", "127.0.0.1:2", "open", "3", "97", "1"]
