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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def log(self, service: str, line: str) -> None:
        if line.startswith("{") and line.endswith("}"):
            print(line, file=self._out)
        else:
            self._write("info", service, line)

    def say(self, sentence: str, tone: Tone = Tone.PLAIN) -> None:
        self._write("error" if tone is Tone.BAD else "info", "atoll", sentence)

    def flush(self) -> None:
        self._out.flush()

    def show(self, rows: Sequence[ServiceRow]) -> None:
        """Changes are said in sentences."""
        self.flush()

    def _write(self, level: str, service: str, event: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"timestamp": moment, "level": level, "service": service, "event": event}
        print(json.dumps(line, ensure_ascii=False), file=self._out)
