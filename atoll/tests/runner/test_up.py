"""A real `atoll up` with real processes."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from atoll.runner.data_folder import DataFolder
from atoll.testing.eventually import eventually
from atoll.testing.processes import is_alive
from atoll.testing.system import SystemUnderTest

pytestmark = pytest.mark.system

Start = Callable[..., Awaitable[SystemUnderTest]]

PAIR = """
[system]
name = "pair"
[services.users]
module = "service"
port = 3001
needs = ["store"]
database = true
[services.store]
module = "service"
port = 3002
"""


def one(program: str, more: str = "") -> str:
    return f'[services.only]\nmodule = "{program}"\nport = 3001\n{more}'


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own service
        return json.loads(answer.read())


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


class TestStart:
    async def test_services_start_in_the_order_of_their_needs_and_are_announced(self, running: Start) -> None:
        pair = await running(PAIR)

        printed = pair.printed
        assert printed.index("store is up") < printed.index("users is up") < printed.index("pair is up after")
        assert "users | serving" in printed
        assert "\x1b" not in printed

    async def test_the_system_is_up_when_every_service_can_do_its_work(self, running: Start) -> None:
        slow = await running(one("slow"))

        assert len(get(slow.url("only") + "/ready")["asked"]) > 4

    async def test_a_service_gets_its_environment_and_that_of_the_runner(self, running: Start, folder: Path) -> None:
        pair = await running(PAIR, environment={"PRODUCTS_URL": "http://elsewhere:1"})

        environment = get(pair.url("users") + "/environment")
        assert environment["DATABASE_URL"] == f"sqlite:///{folder}/data/users.db"
        assert environment["ATOLL_CONFIG"] == f"{folder}/atoll.toml"
        assert environment["PRODUCTS_URL"] == "http://elsewhere:1"
        assert environment["SERVICE_SECRET"] == (folder / "data/secrets/service_secret").read_text()

    async def test_what_runs_is_written_down(self, running: Start) -> None:
        pair = await running(PAIR)

        noted = DataFolder(pair.data).running()
        assert noted is not None
        assert noted.runner_pid == pair.pid
        users = noted.services["users"]
        assert (users.state, users.url) == ("up", f"http://127.0.0.1:{users.ports['port']}")
        assert is_alive(users.pid)

    async def test_only_the_chosen_services_start(self, running: Start) -> None:
        alone = await running(PAIR, "--only", "users")

        assert alone.pids() == [alone.service("users").pid]

    async def test_a_foreign_program_is_up_when_its_health_answers(self, running: Start) -> None:
        foreign = await running(
            """
            [services.files]
            command = ["python3", "server.py", "{port}"]
            health = "http://127.0.0.1:{port}/files.json"
            """
        )

        assert get(foreign.url("files") + "/files.json") == ["one", "two"]
        assert await foreign.stop() == 0

    async def test_json_lines_stay_json_lines(self, running: Start) -> None:
        pair = await running(PAIR, "--log-format", "json")

        events = [json.loads(line) for line in pair.printed.splitlines()]
        assert ("users", "serving") in [(event["service"], event["event"]) for event in events]
        assert get(pair.url("users") + "/environment")["LOG_FORMAT"] == "json"

    async def test_one_up_for_each_data_folder(self, running: Start, starting: Start) -> None:
        first = await running(PAIR)

        second = await starting(PAIR)

        assert await second.ended() == 1
        assert f"is in use by another `atoll up` (process {first.pid})" in second.printed


class TestFailedStart:
    async def test_a_service_that_fails_stops_the_rest_and_says_why(self, starting: Start) -> None:
        failed = await starting(PAIR.replace('"service"\nport = 3001', '"broken"\nport = 3001'))

        assert await failed.ended() == 1
        assert "users did not start: it exited with code 1." in failed.printed
        assert "The last lines of users:\natoll |     I have no database." in failed.printed
        assert failed.printed.endswith("Everything has stopped.")

    async def test_one_that_is_never_ready_is_given_up(self, starting: Start) -> None:
        failed = await starting(one("silent", "start_limit = 0.5"))

        assert await failed.ended() == 1
        assert "only did not start: it was not ready after 0.5 seconds and was killed." in failed.printed

    async def test_the_own_words_of_a_service_are_passed_on(self, starting: Start) -> None:
        failed = await starting(one("articulate"))

        assert await failed.ended() == 1
        assert "only did not start: it exited with code 2. PORT must be a number." in failed.printed

    async def test_a_command_that_is_not_there_is_named(self, starting: Start) -> None:
        failed = await starting('[services.web]\ncommand = ["no-such-program"]')

        assert await failed.ended() == 1
        assert "no-such-program cannot be run: No such file or directory." in failed.printed

    async def test_a_taken_port_names_service_port_and_holder(self, starting: Start) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            failed = await starting(one("service"), "--port-base", str(port))

            assert await failed.ended() == 1
        assert f"only needs port {port}, but " in failed.printed
        assert f"process {os.getpid()} (" in failed.printed or sys.platform != "linux"
        assert "--port-base" in failed.printed

    async def test_mistakes_in_the_file_start_nothing(self, starting: Start) -> None:
        failed = await starting("[services.users]\nmodule = 'nowhere'\nneeds = ['registry']")

        assert await failed.ended() == 1
        assert "needs 'registry', which is not a service here" in failed.printed
        assert "there is no program 'nowhere'" in failed.printed
        assert "Traceback" not in failed.printed


class TestRestart:
    async def test_what_dies_comes_back_on_the_same_port(self, running: Start) -> None:
        pair = await running(PAIR)
        before = pair.service("users")

        await pair.crash("users")

        after = pair.service("users")
        assert after.pid != before.pid
        assert (after.url, after.restarts) == (before.url, 1)
        assert get(after.url + "/health")["uptime"] == 75.0
        assert "users was ended by SIGKILL; it starts again in 0.2 s." in pair.printed

    async def test_the_others_do_not_notice(self, running: Start) -> None:
        pair = await running(PAIR)
        users = pair.service("users").pid

        await pair.crash("store")

        assert pair.service("users").pid == users

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems let nobody limit another process")
    async def test_a_full_disk_keeps_nobody_from_being_started_again(self, running: Start) -> None:
        pair = await running(PAIR)
        before = pair.service("users")
        _, hard = resource.prlimit(pair.pid, resource.RLIMIT_FSIZE)

        resource.prlimit(pair.pid, resource.RLIMIT_FSIZE, (0, hard))  # as a full disk, it refuses what is written
        pair.kill("users")
        await pair.line_with("What runs cannot be written down: File too large.")
        await pair.line_with("users is up", times=2)
        resource.prlimit(pair.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await pair.line_with("What runs is written down again.")

        assert before.pid != pair.service("users").pid
        assert [] == list(pair.data.glob(".system.json*"))

    async def test_what_a_dead_service_has_started_goes_with_it(self, running: Start) -> None:
        parent = await running(one("parent"))
        children = children_of(parent.service("only").pid)
        assert children

        parent.kill("only")

        await eventually(lambda: not any(map(is_alive, children)))


class TestStop:
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    async def test_one_signal_stops_all_in_reverse(self, running: Start, how: signal.Signals) -> None:
        pair = await running(PAIR)
        pids = pair.pids()

        assert await pair.stop(how) == 0
        assert pair.printed.index("users | stopping") < pair.printed.index("store | stopping")
        assert not any(map(is_alive, pids))
        assert not (pair.data / "system.json").exists()

    async def test_one_that_will_not_stop_is_killed_in_the_end(self, running: Start) -> None:
        stubborn = await running(one("stubborn", "stop_limit = 0.3"))

        assert await stubborn.stop() == 0
        assert "only had not stopped after 0.3 seconds and was killed." in stubborn.printed

    async def test_the_second_signal_means_now(self, running: Start) -> None:
        stubborn = await running(one("stubborn"))
        [pid] = stubborn.pids()
        stubborn.signal(signal.SIGINT)
        await stubborn.line_with("Stopping.")

        assert await stubborn.stop() == 130
        assert not is_alive(pid)

    async def test_stopping_while_starting_leaves_nothing(self, starting: Start) -> None:
        silent = await starting(one("silent"))
        await eventually(silent.pids)
        [pid] = silent.pids()

        assert await silent.stop() == 0
        assert not is_alive(pid)

    def test_when_nobody_reads_any_more_everything_stops(self, folder: Path) -> None:
        (folder / "atoll.toml").write_text(PAIR)
        command = [sys.executable, "-m", "atoll.cli", "up", "--port-base", "0"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
            assert process.stdout is not None
            assert any(" is up after " in line for line in process.stdout)
            running = DataFolder(folder / "data").running()
            assert running is not None
            pids = [service.pid for service in running.services.values()]
            process.stdout.close()
            os.kill(pids[0], signal.SIGKILL)

            assert process.wait(30) == 1
        assert not any(map(is_alive, pids))


class TestNeverAnOrphan:
    MANY = (
        PAIR
        + """
        [services.deaf]
        module = "stubborn"
        [services.files]
        command = ["python3", "server.py", "{port}"]
        health = "http://127.0.0.1:{port}/files.json"
        """
    )

    async def test_killing_the_runner_leaves_no_process_and_no_port(self, running: Start) -> None:
        many = await running(self.MANY)
        pids = many.pids()
        ports = [many.service(name).ports["port"] for name in ("users", "store", "deaf", "files")]

        await many.kill_runner()

        await eventually(lambda: not any(map(is_alive, pids)))
        await eventually(lambda: all(is_free(port) for port in ports))

    async def test_killing_the_runner_while_it_starts_leaves_nothing(self, starting: Start) -> None:
        silent = await starting(one("silent"))
        await eventually(silent.pids)
        pids = silent.pids()

        await silent.kill_runner()

        await eventually(lambda: not any(map(is_alive, pids)))

    async def test_after_that_the_folder_is_free_again(self, running: Start) -> None:
        first = await running(PAIR)
        await first.kill_runner()

        second = await running(PAIR)

        assert len(second.pids()) == 2
