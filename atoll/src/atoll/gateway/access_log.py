"""One line for each request, cheap enough to be always on: gathered, and written together.

The lines are those of `atoll.observability.logging` with "request" as their `event`. JSON is written here, because the
way through structlog costs ten times as much; people on a terminal get it through structlog.
"""

import asyncio
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TextIO

import orjson

from atoll.observability.logging import LogFormat, LogLevel, get_logger

FLUSH_INTERVAL = 0.2
"""Seconds that a line may wait."""

MAX_WAITING = 1000
"""Lines; so many are written at once."""

log = get_logger()


class AccessLog:
    """Gathers lines within an async context; leaving it writes what still waits.

    `stream` takes JSON; None sends the lines through structlog.
    """

    def __init__(self, service: str, stream: TextIO | None) -> None:
        self._service = service
        self._stream = stream
        self._waiting: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def fitting(cls, service: str, log_format: LogFormat, log_level: LogLevel) -> "AccessLog | None":
        """The access log that goes with `configure_logging` of these; None when lines of its level are not wanted."""
        if log_level not in {"debug", "info"}:
            return None
        pretty = log_format == "pretty" or (log_format == "auto" and sys.stdout.isatty())
        return cls(service, None if pretty else sys.stdout)

    def write(self, fields: dict[str, Any]) -> None:
        """One line; it may wait for others."""
        if self._stream is None:
            log.info("request", **fields)
            return
        line = {"time": datetime.now(UTC), "level": "info", "service": self._service, "event": "request", **fields}
        self._waiting.append(orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
        if len(self._waiting) >= MAX_WAITING:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL, self.flush)

    def flush(self) -> None:
        """Write what waits. A reader that is gone must not hurt the gateway."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._waiting = self._waiting, []
        if lines and self._stream is not None:
            try:
                self._stream.write(b"".join(lines).decode())
                self._stream.flush()
            except (OSError, ValueError):
                return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.flush()
