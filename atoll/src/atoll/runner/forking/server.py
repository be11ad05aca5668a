"""The process that is forked: loads the platform, then does what the runner asks for over a socket.

One JSON message each way, in turns:

- `{"fork": [NAME, PROGRAM, …], "given": [VARIABLE, …]}`, with the descriptors of an output and of what is given, is
  answered with `{"pid": …}`, or with `{"stale": true}`, or `{"error": …}`. The fork finds the numbers of what it was
  given in its environment.
- `{"reap": PID}`, of a process that has ended, is answered with `{"code": …}`, negative for a signal.

A process that has ended is left to lie until the runner asks for its code: so its number is not given to another.
"""

import gc
import importlib
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from setproctitle import setproctitle

LONGEST_MESSAGE = 64 * 1024
MOST_GIVEN = 16

Changes: TypeAlias = Mapping[str, int]
"""Files, each with the moment of its last change; 0 for one that is gone."""


def serve(runner: socket.socket, modules: Sequence[str]) -> list[str]:
    """Load the modules, and fork for the runner until it hangs up.

    Returns empty in this process at the end, and in each fork what it is to run: arguments of `atoll.runner.child`.
    """
    loaded, server = _load(modules), os.getpid()
    while asked := _next(runner):
        message, descriptors = asked
        if "reap" in message:
            _answer(runner, code=_code_of(message["reap"]))
        elif _changes(loaded) != loaded:
            _answer(runner, stale=True)
        elif _fork(runner):
            runner.close()
            return _become(server, message["fork"], message["given"], *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    return []


def _load(modules: Sequence[str]) -> Changes:
    """Load the modules for good; returns the files that this and all they need came from."""
    for module in modules:
        with suppress(ImportError):  # of an extra that is not installed; who needs it will say so
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # the collector writes to the objects that it looks at, and so unshares them
    return _changes(file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None)))


def _changes(files: Iterable[str]) -> Changes:
    return {file: _changed_at(file) for file in files}


def _changed_at(file: str) -> int:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return 0


def _next(runner: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """What is asked next; None when the runner has hung up."""
    data, descriptors, _, _ = socket.recv_fds(runner, LONGEST_MESSAGE, MOST_GIVEN)
    return (json.loads(data), descriptors) if data else None


def _answer(runner: socket.socket, **message: object) -> None:
    runner.send(json.dumps(message).encode())


def _code_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _fork(runner: socket.socket) -> bool:
    """Fork, and tell the runner how that went; True in the fork."""
    try:
        pid = os.fork()
    except OSError as error:
        _answer(runner, error=str(error))
        return False
    if pid:
        _lead_a_group(pid)  # before anybody hears of it: whoever kills it kills the group
        _answer(runner, pid=pid)
    return pid == 0


def _lead_a_group(pid: int) -> None:
    with suppress(OSError):  # the other of the two was here before
        os.setpgid(pid, pid)


def _become(server: int, program: list[str], names: list[str], output: int, *given: int) -> list[str]:
    """Settle in as a process of its own; returns what it is to run.

    It belongs to `server`, by the number that was known before the fork: whoever is asked for now may be its heir.
    """
    name, *module = program
    _lead_a_group(os.getpid())
    setproctitle(f"atoll: {name}")
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, standard)
    os.close(nothing)
    os.close(output)
    for variable, descriptor in zip(names, given, strict=True):
        os.set_inheritable(descriptor, False)
        os.environ[variable] = str(descriptor)
    return [str(server), name, "module", *module]
