"""Run the commands of a guide against a new shop, and put what they print into the guide.

python -m docs.generate.recording docs/guides/from-zero-to-an-order.md
"""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from docs.generate.guide import Shell, Step, blocks, shell, steps
from docs.generate.shop import SYSTEM_FILE

from atoll.testing.system import running_system

_SHOWN_DOOR = "localhost:3000"
_SHOWN_COMMAND = ".venv/bin/atoll"
_TOKENS = re.compile(r"(?<=Token\": \")([^\"]{12})[^\"]+")
_WIDE = 100


class Rehearsal:
    """A running shop, and a shell to run the commands of a guide in."""

    def __init__(self, bash: Shell, door: str) -> None:
        self._bash = bash
        self._door = door

    def run(self, step: Step) -> str:
        """What the commands of a step print, as the guide would show it."""
        commands = step.commands.text.replace(_SHOWN_DOOR, self._door)
        printed = self._bash.run(commands.replace(_SHOWN_COMMAND, f"{sys.executable} -m atoll.cli"))
        return presentable(printed.replace(self._door, _SHOWN_DOOR))


_PATIENT = {"MAX_LOOP_DELAY": "10"}
"""A machine that has much else to do is no reason to show a refusal."""


@asynccontextmanager
async def rehearsal(guide: str) -> AsyncIterator[Rehearsal]:
    """The shop as `make run` starts it, on free ports, with what the guide adds to it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        system_file = SYSTEM_FILE if not files_in(guide) else _shop_with(files_in(guide), folder)
        async with running_system(system_file, folder / "data", environment=_PATIENT) as system:
            told = {"ATOLL_DATA": str(folder / "data"), "ATOLL_FILE": str(system_file), "NO_COLOR": "1"}
            with shell(name, {**os.environ, **told}) as bash:
                yield Rehearsal(bash, system.url("gateway").removeprefix("http://"))


def files_in(guide: str) -> dict[str, str]:
    """The files that a guide shows, by name."""
    return {block.name: block.text for block in blocks(guide) if block.name}


def write_files(files: Mapping[str, str], folder: Path) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _shop_with(files: Mapping[str, str], folder: Path) -> Path:
    """The shop's system file and what stands beside it, in a folder of its own, with the files added."""
    shutil.copytree(SYSTEM_FILE.parent / "sample", folder / "sample")
    together = f"{SYSTEM_FILE.read_text(encoding='utf-8')}\n{files[SYSTEM_FILE.name]}"
    write_files({**files, SYSTEM_FILE.name: together}, folder)
    return folder / SYSTEM_FILE.name


def presentable(printed: str) -> str:
    """JSON indented, short values on one line; tokens cut short."""
    with suppress(ValueError):
        printed = indented(json.loads(printed))
    return _TOKENS.sub(r"\1…", printed)


def indented(value: Any, indent: str = "") -> str:
    """The value as JSON; what fits into one line stays in one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or (indent and len(indent) + len(flat) < _WIDE):
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(name)}: {indented(item, inner)}" for name, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{inner}{indented(item, inner)}" for item in value) + f"\n{indent}]"


async def recorded(guide: str) -> str:
    """The guide with what its commands print now."""
    async with rehearsal(guide) as stage:
        printed = [(step.shown, await asyncio.to_thread(stage.run, step)) for step in steps(guide)]
    for shown, text in reversed(printed):
        if shown is not None:
            guide = f"{guide[: shown.start]}```{shown.language}\n{text.rstrip()}\n```{guide[shown.end :]}"
    return guide


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(asyncio.run(recorded(path.read_text(encoding="utf-8"))), encoding="utf-8")
