"""Log lines for people: when, what, and the facts; ids only where something went wrong."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO

_PAD_EVENT_TO = 28
_ALWAYS_FIRST = ("time", "level", "service", "event", "exception")
_IDS = ("trace_id", "request_id")
_DIM, _BOLD, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}


class Pretty:
    """A structlog processor that turns an event into text, in colour where a terminal shows it.

    `NO_COLOR` in the environment means plain text, `FORCE_COLOR` colours also for a pipe that a terminal shows.
    """

    def __init__(self, stream: TextIO) -> None:
        self._coloured = "NO_COLOR" not in os.environ and (stream.isatty() or "FORCE_COLOR" in os.environ)

    def __call__(self, _: object, level: str, line: Mapping[str, Any]) -> str:
        moment = datetime.fromisoformat(line["time"]).astimezone().strftime("%H:%M:%S")
        is_usual = level in {"debug", "info"}
        event = str(line["event"]) if is_usual else f"{level.upper()} {line['event']}"
        hidden = (*_ALWAYS_FIRST, *(_IDS if is_usual else ()))
        facts = " ".join(f"{name}={_shown(value)}" for name, value in line.items() if name not in hidden)
        words = f"{event:<{_PAD_EVENT_TO}}" if facts else event
        text = self._paint(_DIM, moment) + " " + self._paint(_COLOURS.get(level, _BOLD), words)
        if facts:
            text += " " + facts
        return f"{text}\n{line['exception']}" if "exception" in line else text

    def _paint(self, colour: str, words: str) -> str:
        return f"{colour}{words}{_RESET}" if self._coloured else words


def _shown(value: Any) -> str:
    """A value on one line; text that has spaces, or is empty, in quotes."""
    if not isinstance(value, str):
        return repr(value)
    return value if value and value.isprintable() and " " not in value else repr(value)
