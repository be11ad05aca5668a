"""One JSON object a line: what the services print passes as it is, the runner's own words in the same form."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self, TextIO

from atoll.runner.view import ServiceRow, Tone


class JsonView:
    """For machines that read logs; a line of a service that is not a JSON object is wrapped in one."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._held: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def log(self, service: str, line: str) -> None:
        if line.startswith("{") and line.endswith("}"):
            self._held.append(line)
        else:
            self._write("info", service, line)

    def say(self, sentence: str, tone: Tone = Tone.PLAIN) -> None:
        self._write("error" if tone is Tone.BAD else "info", "atoll", sentence)

    def flush(self) -> None:
        lines, self._held = self._held, []
        self._out.write("".join(f"{line}\n" for line in lines))
        self._out.flush()

    def show(self, rows: Sequence[ServiceRow]) -> None:
        """Changes are said in sentences."""
        self.flush()

    def _write(self, level: str, service: str, event: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": moment, "level": level, "service": service, "event": event}
        self._held.append(json.dumps(line, ensure_ascii=False))
