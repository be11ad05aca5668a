"""One line for each visit, cheap enough to be always on.

The lines are those of `atoll.observability.logging` with "request" as their `event`. JSON is written here, because the
way through structlog costs ten times as much; people on a terminal get it through structlog.
"""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from atoll.gateway.visit import Visit
from atoll.observability.logging import LogFormat, LogLevel, get_logger

log = get_logger()


class AccessLog:
    """Writes JSON to `stream`; without one, lines go through structlog."""

    def __init__(self, service: str, stream: TextIO | None) -> None:
        self._service = service
        self._stream = stream

    @classmethod
    def fitting(cls, service: str, log_format: LogFormat, log_level: LogLevel) -> "AccessLog | None":
        """The access log that goes with `configure_logging` of these; None when lines of its level are not wanted."""
        if log_level not in {"debug", "info"}:
            return None
        pretty = log_format == "pretty" or (log_format == "auto" and sys.stdout.isatty())
        return cls(service, None if pretty else sys.stdout)

    def write(self, visits: Iterable[tuple[Visit, float, float]]) -> None:
        """The lines of visits, each with the seconds that it took and the Unix time at which it was over.

        A reader that is gone, or a full disk, must not hurt the gateway.
        """
        if self._stream is None:
            for visit, seconds, _ in visits:
                log.info(_sentence(visit), **_facts_for_people(visit, seconds))
            return
        lines = b"".join(self._line(*each) for each in visits).decode()
        try:
            self._stream.write(lines)
            self._stream.flush()
        except (OSError, ValueError):
            return

    def _line(self, visit: Visit, seconds: float, ended: float) -> bytes:
        line = {
            "time": datetime.fromtimestamp(ended, UTC),
            "level": "info",
            "service": self._service,
            "event": "request",
            **_fields(visit, seconds),
        }
        return orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


def _sentence(visit: Visit) -> str:
    path = visit.shown_path if visit.shown_path.isprintable() else repr(visit.shown_path)
    return f"{visit.head.method.decode('ascii')} {path} {visit.status}"


def _facts_for_people(visit: Visit, seconds: float) -> dict[str, Any]:
    """What a person who watches wants to know; the JSON lines have the rest."""
    facts: dict[str, Any] = {"ms": round(seconds * 1000, 1), "client": visit.client_address}
    if visit.upstream is not None:
        facts["upstream"] = visit.upstream.authority
    if visit.attempts > 1:
        facts["attempts"] = visit.attempts
    return {**facts, "trace_id": visit.trace_id, "request_id": visit.request_id.decode("ascii")}


def _fields(visit: Visit, seconds: float) -> dict[str, Any]:
    """What a line says of a visit; never a query, which may hold secrets."""
    return {
        "trace_id": visit.trace_id,
        "request_id": visit.request_id.decode("ascii"),
        "client": visit.client_address,
        "user": "" if visit.principal is None else visit.principal.subject,
        "method": visit.head.method.decode("ascii"),
        "path": visit.shown_path,
        "route": visit.template,
        "status": visit.status,
        "bytes": visit.answer_bytes,
        "seconds": round(seconds, 6),
        "upstream": "" if visit.upstream is None else visit.upstream.authority,
        "attempts": visit.attempts,
    }
