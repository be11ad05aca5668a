"""What the demo writes: steps, commands, answers; in colour on a terminal."""

import json
from typing import Any, TextIO

_BOLD, _DIM, _GREEN, _RED, _END = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Paper:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._coloured = out.isatty()

    def step(self, title: str) -> None:
        """The next part of the walk begins."""
        self._write(f"\n{title}", _BOLD)

    def command(self, line: str) -> None:
        """What one would type in a shell."""
        self._write(f"$ {line}")

    def answer(self, status: str, body: Any) -> None:
        """What came back; `status` as in "201 Created", and no JSON when there is no body."""
        self._write(status, _DIM)
        if body is not None:
            self._write(json.dumps(body, indent=2, ensure_ascii=False))

    def good(self, sentence: str) -> None:
        self._write(f"✓ {sentence}", _GREEN)

    def bad(self, sentence: str) -> None:
        self._write(f"✗ {sentence}", _RED)

    def _write(self, text: str, style: str = "") -> None:
        print(f"{style}{text}{_END}" if style and self._coloured else text, file=self._out, flush=True)
