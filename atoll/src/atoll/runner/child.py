"""Starts one program of the system so that it cannot outlive the runner.

`python -m atoll.runner.child RUNNER_PID NAME module|command PROGRAM [ARGUMENT…]`, or as a fork: `atoll.runner.forking`.

On Linux the kernel kills the program when the runner is gone, however it went. Elsewhere the end of the
supervisor line tells: a service stops by itself, a foreign command is ended from here. The program is
loaded at once, but runs only when the line says `{"go": {NAME: VALUE, …}}`, with these in its environment:
so the slow part of starting needs to wait for nothing.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import sys
from typing import NoReturn

from atoll.runner.modules import can_be_imported

LINE = "ATOLL_SUPERVISOR_FD"

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def main(arguments: list[str]) -> None:
    runner, name, kind, *program = arguments
    line = int(os.environ[LINE])
    if sys.platform == "linux":
        die_with(int(runner), name)
    if kind == "module":
        _load(program[0])
    os.environ.update(_wait_for_go(line))
    if kind == "module":
        _run_module(*program)
    elif sys.platform == "linux":
        _become(*program)
    else:
        _run_until_line_ends(line, *program)


def die_with(runner: int, name: str) -> None:
    """Have the kernel send SIGKILL when the runner, our parent, ends; leave now if it has ended already."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_NAME, name.encode()[:15])
    if os.getppid() != runner:
        sys.exit(f"The runner (process {runner}) is gone.")


def _load(module: str) -> None:
    """Import what the program will need: by the rule of the house, its `app` holds everything and does nothing.

    Nothing of it is garbage, so the collector stays away: from now while it loads, and later for good.
    """
    gc.disable()
    if can_be_imported(f"{module}.app"):
        with contextlib.suppress(Exception):  # the program itself will say it
            importlib.import_module(f"{module}.app")
            importlib.import_module("atoll.lifecycle")
    gc.freeze()
    gc.enable()


def _wait_for_go(line: int) -> dict[str, str]:
    received = b""
    while not received.endswith(b"\n"):
        chunk = os.read(line, 65536)
        if not chunk:
            sys.exit(0)
        received += chunk
    environment: dict[str, str] = json.loads(received)["go"]
    return environment


def _run_module(module: str, *arguments: str) -> None:
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _become(*command: str) -> NoReturn:
    try:
        os.execvp(command[0], command)  # noqa: S606 - the system file names it
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}.")


def _run_until_line_ends(line: int, *command: str) -> NoReturn:
    import subprocess
    import threading

    program = subprocess.Popen(command)  # noqa: S603 - the system file names it
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())

    def end_with_line() -> None:
        while os.read(line, 65536):
            pass
        program.kill()

    threading.Thread(target=end_with_line, daemon=True).start()
    sys.exit(program.wait())


if __name__ == "__main__":
    main(sys.argv[1:])
