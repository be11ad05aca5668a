"""Guides whose commands are run: their blocks, and a shell that runs them one after the other."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

_BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "--- that was it, with"


class Block(NamedTuple):
    """A fenced block: what is in it, and where. `name` is that of the file it shows, if it does."""

    language: str
    name: str
    text: str
    start: int
    end: int


class Step(NamedTuple):
    """Commands of a guide, and the block that shows what they print, if there is one."""

    commands: Block
    shown: Block | None


def blocks(guide: str) -> list[Block]:
    return [
        Block(found["language"], found["name"] or "", found["text"], found.start(), found.end())
        for found in _BLOCK.finditer(guide)
    ]


def steps(guide: str) -> list[Step]:
    """Every `sh` block in order; what it prints is the `json` or `text` block right behind it."""
    found = blocks(guide)
    return [
        Step(block, after if _shows_output(guide, block, after) else None)
        for block, after in zip(found, [*found[1:], None], strict=True)
        if block.language == "sh"
    ]


def _shows_output(guide: str, block: Block, after: Block | None) -> bool:
    return after is not None and after.language in ("json", "text") and not guide[block.end : after.start].strip()


class CommandFailed(AssertionError):
    """A command of a guide did not end well; the message has what it printed."""


class Shell:
    """One bash for a whole guide, so that variables stay from block to block."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, commands: str) -> str:
        """What the commands print; `CommandFailed` when the last one fails."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{commands}\nprintf '\\n{_END} %s\\n' $?\n")
        self._process.stdin.flush()
        printed, code = self._until_the_end()
        if code != "0":
            raise CommandFailed(f"{commands}\n{printed}\nexit code {code}")
        return printed

    def _until_the_end(self) -> tuple[str, str]:
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(_END):
                return "".join(lines).removesuffix("\n"), line.removeprefix(_END).strip()
            lines.append(line)
        raise CommandFailed(f"The shell ended. It printed:\n{''.join(lines)}")


@contextmanager
def shell(folder: str, environment: Mapping[str, str]) -> Iterator[Shell]:
    """A bash in that folder, ended when the block ends."""
    process = subprocess.Popen(
        ["/bin/bash"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Shell(process)
    finally:
        process.kill()
        process.communicate()
