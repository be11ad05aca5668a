"""The launcher by itself, at the other end of a supervisor line."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE = 20.0

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel must end children with their parent")


@dataclass
class Child:
    process: subprocess.Popen[str]
    line: socket.socket

    def go(self, **environment: str) -> None:
        self.line.sendall(json.dumps({"go": environment}).encode() + b"\n")

    def ended(self) -> tuple[int, str]:
        """The exit code, and what was printed."""
        printed, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, printed


class Launch:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.children: list[Child] = []

    def __call__(self, *arguments: str, runner: int | None = None, platform: str = sys.platform) -> Child:
        code = (
            f"import sys; sys.platform = {platform!r}; from atoll.runner.child import main; "
            f"main([{str(runner or os.getpid())!r}, 'name', *sys.argv[1:]])"
        )
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own code
                [sys.executable, "-c", code, *arguments],
                cwd=self._folder,
                env={**os.environ, "ATOLL_SUPERVISOR_FD": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.children.append(Child(process, ours))
        return self.children[-1]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    (tmp_path / "teller.py").write_text("import os, sys; print(sys.argv[1:], os.environ['WORD'], __name__)")
    launch = Launch(tmp_path)
    yield launch
    for child in launch.children:
        child.line.close()
        child.process.kill()
        child.process.communicate()


def test_a_module_runs_when_told_with_its_environment_and_arguments(launch: Launch) -> None:
    child = launch("module", "teller", "one", "two")

    child.go(WORD="hello")

    assert child.ended() == (0, "['one', 'two'] hello __main__\n")


def test_a_command_runs_when_told(launch: Launch) -> None:
    child = launch("command", sys.executable, "teller.py", "one")

    child.go(WORD="hello")

    assert child.ended() == (0, "['one'] hello __main__\n")


@pytest.mark.parametrize("program", [("module", "teller"), ("command", sys.executable, "teller.py")])
def test_what_was_never_told_to_run_ends_quietly_with_the_line(launch: Launch, program: tuple[str, ...]) -> None:
    child = launch(*program)

    child.line.close()

    assert child.ended() == (0, "")


def test_loading_runs_nothing_of_a_module_without_an_app(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("print('I run')")
    child = launch("module", "loud")

    child.line.close()

    assert child.ended() == (0, "")


def test_the_app_of_a_package_is_loaded_while_it_waits(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service/__main__.py").write_text("print('running')")
    (tmp_path / "service/app.py").write_text("print('loaded', flush=True)")
    child = launch("module", "service")
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == "loaded\n"

    child.go()

    assert child.ended() == (0, "running\n")


def test_an_app_that_cannot_be_loaded_is_the_programs_own_affair(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service/__main__.py").write_text("import service.app")
    (tmp_path / "service/app.py").write_text("raise RuntimeError('no such table')")
    child = launch("module", "service")

    child.go()

    code, printed = child.ended()
    assert code == 1
    assert "RuntimeError: no such table" in printed


@linux_only
def test_a_child_whose_runner_is_gone_already_does_not_start(launch: Launch) -> None:
    code, printed = launch("module", "teller", runner=1).ended()

    assert (code, printed) == (1, "The runner (process 1) is gone.\n")


def test_without_help_of_the_kernel_a_command_ends_with_the_line(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\nprint('running', flush=True)\ntime.sleep(60)")
    child = launch("command", sys.executable, "endless.py", platform="other")
    child.go()
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == "running\n"
    began = time.monotonic()

    child.line.close()

    code, _ = child.ended()
    assert code != 0
    assert time.monotonic() - began < PATIENCE


def test_without_help_of_the_kernel_a_command_is_told_to_stop(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "polite.py").write_text(
        "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('running', flush=True)\nsignal.pause()"
    )
    child = launch("command", sys.executable, "polite.py", platform="other")
    child.go()
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == "running\n"

    child.process.terminate()

    assert child.ended()[0] == 5
