"""Running other programs, with an end in time, and words when they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence


class CommandFailed(Exception):
    """A program ended otherwise than it should; the message has what it said last."""


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, seconds: float = 60, input: str = "") -> str:
    """What `command` writes, without the last line's end; `CommandFailed` unless its exit code is 0 in time."""
    try:
        ended = subprocess.run(
            command,
            env={**os.environ, **(env or {})},
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"There is no {command[0]}.") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{_shown(command)} did not end within {seconds:.0f} s: {_last(error.stdout)}") from error
    if ended.returncode != 0:
        raise CommandFailed(f"{_shown(command)} ended with {ended.returncode}: {_last(ended.stdout)}")
    return ended.stdout.rstrip("\n")


def _shown(command: Sequence[str]) -> str:
    return " ".join(command[:8]) + (" …" if len(command) > 8 else "")


def _last(output: str | bytes | None) -> str:
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
    return "\n    ".join(text.splitlines()[-25:])
