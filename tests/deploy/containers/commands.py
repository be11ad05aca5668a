"""Running other programs, with an end in time, and words when they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any


class CommandFailed(Exception):
    """A program ended otherwise than it should; the message has what it said last."""


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, seconds: float = 60) -> str:
    """What `command` writes, errors included, without the last line's end.

    `CommandFailed` unless its exit code is 0 in time.
    """
    output = _ended(command, env or {}, seconds, stderr=subprocess.STDOUT)
    return output.decode("utf-8", "replace").rstrip("\n")


def filtered(command: Sequence[str], input: bytes, *, env: Mapping[str, str], seconds: float = 60) -> bytes:
    """What `command` makes of `input`, byte by byte. `CommandFailed` as for `run`."""
    return _ended(command, env, seconds, input=input, stderr=subprocess.PIPE)


def _ended(command: Sequence[str], env: Mapping[str, str], seconds: float, **streams: Any) -> bytes:
    try:
        ended = subprocess.run(
            command, env={**os.environ, **env}, stdout=subprocess.PIPE, timeout=seconds, check=False, **streams
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"There is no {command[0]}.") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{_shown(command)} did not end within {seconds:.0f} s: {_last(error.stdout)}") from error
    if ended.returncode != 0:
        raise CommandFailed(f"{_shown(command)} ended with {ended.returncode}: {_last(ended.stderr or ended.stdout)}")
    output: bytes = ended.stdout
    return output


def _shown(command: Sequence[str]) -> str:
    return " ".join(command[:8]) + (" …" if len(command) > 8 else "")


def _last(output: bytes | None) -> str:
    return "\n    ".join((output or b"").decode("utf-8", "replace").splitlines()[-25:])
