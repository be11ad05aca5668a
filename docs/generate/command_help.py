"""What every command says of itself with `--help`."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

from docs.generate.markdown import block, page
from docs.generate.shop import SYSTEM_FILE, system_file

_ROOT = SYSTEM_FILE.parents[1]
_WIDTH = "100"


def command_help() -> dict[str, str]:
    """By the name of the part of the guide."""
    atoll = ["-m", "atoll.cli"]
    ours = {"atoll": atoll, "atoll up": [*atoll, "up"], "atoll status": [*atoll, "status"]}
    theirs = {
        f"atoll {name}": ["-m", command["module"], *command.get("arguments", [])]
        for name, command in system_file()["commands"].items()
    }
    parts = [_section(name, _help(program)) for name, program in ours.items()]
    for group in ("data", "events"):
        parts += _with_commands_below(f"atoll {group}", [*atoll, group])
    parts += [part for name, program in theirs.items() for part in _with_commands_below(name, program)]
    return {"commands": page(*parts)}


def _with_commands_below(name: str, program: Sequence[str]) -> Iterator[str]:
    said = _help(program)
    if "\nCommands:\n" not in said:
        yield _section(name, said)
    for below in re.findall(r"^  (\w+)", said.partition("\nCommands:\n")[2], re.MULTILINE):
        yield from _with_commands_below(f"{name} {below}", [*program, below])


def _section(name: str, said: str) -> str:
    return page(f"### `{name}`", block("text", said))


def _help(program: Sequence[str]) -> str:
    environment = {**os.environ, "COLUMNS": _WIDTH, "NO_COLOR": "1", "ATOLL_DATA": "data"}
    command = [sys.executable, *program, "--help"]
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout
