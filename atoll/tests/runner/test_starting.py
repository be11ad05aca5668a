"""Programs as processes: executed, and forked off one that has loaded the platform."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atoll.lifecycle import listening_socket
from atoll.runner.forking.forks import Forks
from atoll.runner.service_process import Ended, Printed, ProcessEvent, Ready, ServiceProcess
from atoll.runner.starting import Start, executed
from atoll.testing.eventually import eventually
from atoll.testing.processes import is_alive, parent_of

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks after loading")

TALKER = """
import os, sys
print("one")
print(__name__, sys.argv[1:], os.environ.get("WORD"), sys.stdin.read() == "", flush=True)
sys.stdout.write("no end")
sys.exit(3)
"""
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
READY = """
import json, os, signal
line = int(os.environ["ATOLL_SUPERVISOR_FD"])
os.write(line, json.dumps({"ready": {"port": 1234}}).encode() + b"\\n")
signal.pause()
"""
DOORMAN = """
from atoll.lifecycle.sockets import DOOR_FD, inherited_socket
door = inherited_socket(DOOR_FD)
door.setblocking(True)
connection, _ = door.accept()
connection.sendall(b"come in")
"""
DIES = """
import os, signal
os.kill(os.getpid(), signal.SIGSEGV)
"""
CHANCE = """
import random, secrets
from atoll.ids import uuid7
print(random.random(), secrets.token_hex(8), uuid7()())
"""
ORPHANING = """
import os, socket, sys
from atoll.runner import child
from atoll.runner.forking.server import serve
os.getppid = lambda: 1  # as it is once the server is gone
if arguments := serve(socket.socket(fileno=int(sys.argv[1])), []):
    child.main(arguments)
"""


class Started:
    """Processes of one test, and what happened to them."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._happened: asyncio.Queue[ProcessEvent] = asyncio.Queue()
        self.processes: list[ServiceProcess] = []

    async def load(self, *program: str, kind: str = "module", door: socket.socket | None = None) -> ServiceProcess:
        process = await ServiceProcess.load(
            program[0],
            "module" if kind == "module" else "command",
            [*program],
            self._happened.put_nowait,
            start=self._start,
            door=door,
        )
        self.processes.append(process)
        return process

    async def run(self, *program: str, kind: str = "module", **environment: str) -> ServiceProcess:
        process = await self.load(*program, kind=kind)
        process.go(environment)
        return process

    async def next(self) -> ProcessEvent:
        async with asyncio.timeout(20):
            return await self._happened.get()

    async def printed(self) -> str:
        """The line that is printed next."""
        event = await self.next()
        assert isinstance(event, Printed), event
        return event.line

    async def ended(self) -> tuple[str, list[str]]:
        """How the process ended that ends next, and what is printed until then."""
        lines: list[str] = []
        while not isinstance(event := await self.next(), Ended):
            if isinstance(event, Printed):
                lines.append(event.line)
        return event.reason, lines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs are found."""
    for name, text in {
        "talker": TALKER,
        "parent": PARENT,
        "ready": READY,
        "doorman": DOORMAN,
        "dies": DIES,
        "chance": CHANCE,
        "loaded": "WORD = 'old'",
        "teller": "import loaded; print(loaded.WORD)",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def forks(folder: Path) -> AsyncIterator[Forks]:
    forks = Forks(["loaded"])
    yield forks
    await forks.close()


@pytest.fixture(params=["executed", pytest.param("forked", marks=linux_only)])
async def started(request: pytest.FixtureRequest, forks: Forks) -> AsyncIterator[Started]:
    started = Started(executed if request.param == "executed" else forks.start)
    yield started
    for process in started.processes:
        process.kill()
        await process.gone.wait()


@pytest.fixture
async def forked(forks: Forks) -> AsyncIterator[Started]:
    started = Started(forks.start)
    yield started
    for process in started.processes:
        process.kill()
        await process.gone.wait()


class TestStarting:
    async def test_a_module_runs_as_a_program_and_its_end_is_told_after_all_that_it_printed(
        self, started: Started
    ) -> None:
        await started.run("talker", "a", "b", WORD="hello")

        assert ("exited with code 3", ["one", "__main__ ['a', 'b'] hello True", "no end"]) == await started.ended()

    async def test_it_runs_only_when_told(self, started: Started) -> None:
        held = await started.load("talker")
        await started.run("dies")
        first_end, _ = await started.ended()

        assert "was ended by SIGSEGV" == first_end
        assert held.is_held
        held.go({})
        assert "exited with code 3" == (await started.ended())[0]

    async def test_what_it_says_on_the_supervisor_line_is_heard(self, started: Started) -> None:
        await started.run("ready")
        event = await started.next()

        assert isinstance(event, Ready)
        assert {"port": 1234} == event.ports

    async def test_it_lets_in_whoever_waits_at_the_door_that_it_is_given(self, started: Started) -> None:
        with listening_socket("127.0.0.1", 0) as door:
            reader, writer = await asyncio.open_connection(*door.getsockname())
            held = await started.load("doorman", door=door)
        held.go({})

        assert b"come in" == await reader.read()
        writer.close()

    async def test_it_is_asked_to_stop_by_sigterm(self, started: Started) -> None:
        process = await started.run("ready")
        await started.next()
        process.terminate()

        assert ("was ended by SIGTERM", []) == await started.ended()

    async def test_what_it_has_started_is_killed_with_it(self, started: Started) -> None:
        process = await started.run("parent")
        child = int(await started.printed())
        process.kill()

        assert ("was ended by SIGKILL", []) == await started.ended()
        await eventually(lambda: not is_alive(child))

    async def test_it_leads_a_group_without_our_terminal(self, started: Started) -> None:
        process = await started.load("talker")

        assert process.pid == os.getpgid(process.pid)
        assert os.getsid(0) != os.getsid(process.pid)

    async def test_what_its_leader_leaves_behind_is_killed_when_that_is_gone(self, started: Started) -> None:
        process = await started.run("parent")
        child = int(await started.printed())
        os.kill(process.pid, signal.SIGKILL)

        assert ("was ended by SIGKILL", []) == await started.ended()
        await eventually(lambda: not is_alive(child))

    async def test_a_command_runs_too(self, started: Started) -> None:
        await started.run(sys.executable, "-c", "print('a command')", kind="command")

        assert ("ended by itself", ["a command"]) == await started.ended()

    async def test_a_program_that_is_not_there_says_so(self, started: Started) -> None:
        await started.run("nowhere")
        reason, lines = await started.ended()

        assert "exited with code 1" == reason
        assert "No module named nowhere" in lines[-1]


@linux_only
class TestForks:
    async def test_share_no_chance(self, forked: Started) -> None:
        drawn = []
        for _ in range(2):
            await forked.run("chance")
            drawn.append((await forked.ended())[1][0].split())

        assert 3 == len(drawn[0])
        assert not set(drawn[0]) & set(drawn[1])

    async def test_are_called_by_their_names(self, forked: Started) -> None:
        process = await forked.load("talker")

        await eventually(lambda: "atoll: talker" in Path(f"/proc/{process.pid}/cmdline").read_text())

    async def test_run_what_was_loaded_before(self, forked: Started, folder: Path) -> None:
        await forked.run("teller")
        first = await forked.ended()
        (folder / "teller.py").write_text("import sys; print('loaded' in sys.modules)")
        await forked.run("teller")

        assert [["old"], ["True"]] == [first[1], (await forked.ended())[1]]

    async def test_run_what_is_there_now_when_a_loaded_file_has_changed(self, forked: Started, folder: Path) -> None:
        before = await forked.load("ready")
        (folder / "loaded.py").write_text("WORD = 'changed'")
        await forked.run("teller")
        reason, lines = await forked.ended()

        assert ("ended by itself", ["changed"]) == (reason, lines)
        assert not before.gone.is_set()

    async def test_a_stale_server_ends_with_its_last_fork(self, forked: Started, folder: Path) -> None:
        before = await forked.load("talker")
        server = parent_of(before.pid)
        (folder / "loaded.py").write_text("WORD = 'changed'")
        after = await forked.load("talker")
        was_alive = is_alive(server)
        before.kill()
        await forked.ended()

        assert was_alive
        assert server != parent_of(after.pid)
        await eventually(lambda: not is_alive(server))

    async def test_end_with_a_server_that_is_killed_and_others_take_their_place(self, forked: Started) -> None:
        process = await forked.run("ready")
        await forked.next()
        os.kill(parent_of(process.pid), signal.SIGKILL)
        first = await forked.ended()
        await forked.run("talker")

        assert ("was ended by SIGKILL", []) == first
        assert "exited with code 3" == (await forked.ended())[0]

    async def test_closing_leaves_no_process(self, forked: Started, forks: Forks) -> None:
        process = await forked.load("ready")
        server = parent_of(process.pid)
        await forks.close()
        await forked.ended()

        assert not is_alive(server)
        assert process.gone.is_set()

    async def test_a_cancelled_start_leaves_the_next_one_its_own_answer(self, forked: Started) -> None:
        loading = asyncio.create_task(forked.load("ready"))
        await asyncio.sleep(0)
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        await forked.run("talker")

        assert ("exited with code 3", 3) == ((ended := await forked.ended())[0], len(ended[1]))

    async def test_without_a_working_server_programs_are_executed(self, folder: Path) -> None:
        forks = Forks(["dies"])
        started = Started(forks.start)
        await started.run("talker")
        ended = await started.ended()
        await forks.close()

        assert "exited with code 3" == ended[0]


@linux_only
def test_a_fork_whose_server_dies_in_the_same_moment_goes_with_it() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line, line_of_fork = socket.socketpair()
    reading, writing = os.pipe()
    with ours, line, open(reading) as output:
        ours.settimeout(20)
        command = [sys.executable, "-c", ORPHANING, str(theirs.fileno())]
        server = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: S603 - our own program
        theirs.close()
        asked = {"fork": ["talker", "json.tool"], "given": ["ATOLL_SUPERVISOR_FD"]}
        socket.send_fds(ours, [json.dumps(asked).encode()], [writing, line_of_fork.fileno()])
        line_of_fork.close()
        os.close(writing)
        pid = json.loads(ours.recv(4096))["pid"]
        ours.send(json.dumps({"reap": pid}).encode())
        code = json.loads(ours.recv(4096))["code"]
        ours.close()

        assert (1, 0) == (code, server.wait())
        assert f"The runner (process {server.pid}) is gone." in output.read()
