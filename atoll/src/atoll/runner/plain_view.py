"""Plain lines, each with the name of who says it: for pipes, files and CI."""

import sys
from collections.abc import Iterable, Sequence
from typing import Self, TextIO

from atoll.runner.view import ServiceRow, Tone

RUNNER = "atoll"


class PlainView:
    """`orders   | what it printed`."""

    def __init__(self, services: Iterable[str], out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._held: list[str] = []
        self._width = max(map(len, [*services, RUNNER]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def log(self, service: str, line: str) -> None:
        self._held.append(f"{service:{self._width}} | {line}")

    def say(self, sentence: str, tone: Tone = Tone.PLAIN) -> None:
        for line in sentence.splitlines():
            self.log(RUNNER, line)

    def flush(self) -> None:
        lines, self._held = self._held, []
        self._out.write("".join(f"{line}\n" for line in lines))
        self._out.flush()

    def show(self, rows: Sequence[ServiceRow]) -> None:
        """Changes are said in sentences; a table would only repeat itself."""
        self.flush()
