"""One line for each visit, cheap enough to be always on.

The lines are those of `atoll.observability.logging` with "request" as their `event`. JSON is put together here, because
the way through structlog costs twenty times as much; people on a terminal get it through structlog.
"""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from atoll.gateway.settings import AccessLogFormat
from atoll.gateway.visit import Visit
from atoll.observability.logging import LogFormat, LogLevel, get_logger

_COMBINED = b'%b - %b [%b +0000] "%b %b HTTP/1.%d" %d %d "-" "%b"\n'
"""Apache's format, without referrers: they may hold secrets of other people's pages."""

_LINE = (
    b'{"time":"%b.%06dZ","level":"info","service":%b,"event":"request","trace_id":"%b","request_id":"%b",'
    b'"client":"%b","user":%b,"method":"%b","path":%b,"route":%b,"status":%d,"bytes":%d,"seconds":%.6f,'
    b'"upstream":"%b","attempts":%d}\n'
)

_ESCAPED = {ord('"'): '\\"', ord("\\"): "\\\\"}

WHOLE_WRITE = 4096
"""Bytes that are written to a pipe in one piece, whoever else writes to it (PIPE_BUF of Linux)."""

log = get_logger()


class AccessLog:
    """Writes JSON, or Apache's combined format, to `stream`; without one, lines go through structlog."""

    def __init__(self, service: str, stream: TextIO | None, *, combined: bool = False) -> None:
        self._service = orjson.dumps(service)
        self._stream = stream
        self._line = self._combined_line if combined else self._json_line
        self._time_format = "%d/%b/%Y:%H:%M:%S" if combined else "%Y-%m-%dT%H:%M:%S"
        self._second = 0
        self._second_as_text = b""
        self._routes: dict[str, bytes] = {}

    @classmethod
    def fitting(
        cls, wanted: AccessLogFormat, service: str, log_format: LogFormat, log_level: LogLevel
    ) -> "AccessLog | None":
        """The access log that is wanted, or, if it is to be as the other lines are, what goes with `configure_logging`
        of these. None for none: lines of its level may not be wanted either."""
        if wanted == "combined":
            return cls(service, sys.stdout, combined=True)
        if wanted == "off" or log_level not in {"debug", "info"}:
            return None
        pretty = log_format == "pretty" or (log_format == "auto" and sys.stdout.isatty())
        return cls(service, None if pretty else sys.stdout)

    def write(self, visits: Sequence[Visit], start_of_time: float) -> None:
        """The lines of visits; `start_of_time` is what monotonic zero is in Unix seconds.

        A reader that is gone, or a full disk, must not hurt the gateway.
        """
        if self._stream is None:
            for visit in visits:
                log.info(_sentence(visit), **_facts_for_people(visit))
            return
        try:
            for block in _blocks([self._line(visit, start_of_time) for visit in visits]):
                self._stream.write(block.decode())
                self._stream.flush()
        except (OSError, ValueError):
            return

    def _json_line(self, visit: Visit, start_of_time: float) -> bytes:
        """What a line says of a visit; never a query, which may hold secrets."""
        ended = start_of_time + visit.ended
        principal, upstream = visit.principal, visit.upstream
        return _LINE % (
            self._time(ended),
            ended % 1.0 * 1_000_000,
            self._service,
            visit.traceparent[3:35],
            visit.request_id,
            visit.caller.shown_address,
            b'""' if principal is None else orjson.dumps(principal.subject),
            visit.head.method,
            b'"%b"' % visit.path if visit.path_is_plain else orjson.dumps(visit.shown_path),
            self._routes.get(visit.template) or self._learn_route(visit.template),
            visit.status,
            visit.answer_bytes,
            visit.ended - visit.started,
            b"" if upstream is None else upstream.authority.encode(),
            visit.attempts,
        )

    def _combined_line(self, visit: Visit, start_of_time: float) -> bytes:
        principal, head = visit.principal, visit.head
        return _COMBINED % (
            visit.caller.shown_address,
            b"-" if principal is None else _quotable(principal.subject),
            self._time(start_of_time + visit.ended),
            head.method,
            _quotable(visit.shown_path),
            head.minor_version,
            visit.status,
            visit.answer_bytes,
            _quotable(head.fields.get(b"user-agent", b"-").decode("latin-1")),
        )

    def _time(self, moment: float) -> bytes:
        """To the second, as the format wants it; worked out once for each second."""
        second = int(moment)
        if second != self._second:
            self._second = second
            self._second_as_text = datetime.fromtimestamp(second, UTC).strftime(self._time_format).encode()
        return self._second_as_text

    def _learn_route(self, template: str) -> bytes:
        """As JSON; there are only so many."""
        found = self._routes[template] = orjson.dumps(template)
        return found


def _blocks(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Whole lines together, as many as other processes that write to the same pipe cannot break into."""
    block = b""
    for line in lines:
        if block and len(block) + len(line) > WHOLE_WRITE:
            yield block
            block = b""
        block += line
    yield block


def _quotable(text: str) -> bytes:
    """Text of a stranger's, so that it cannot end the quotes around it, nor be anything but ASCII."""
    return text.translate(_ESCAPED).encode("ascii", "backslashreplace")


def _sentence(visit: Visit) -> str:
    path = visit.shown_path if visit.shown_path.isprintable() else repr(visit.shown_path)
    return f"{visit.head.method.decode('ascii')} {path} {visit.status}"


def _facts_for_people(visit: Visit) -> dict[str, Any]:
    """What a person who watches wants to know; the JSON lines have the rest."""
    facts: dict[str, Any] = {"ms": round((visit.ended - visit.started) * 1000, 1), "client": visit.caller.address}
    if visit.upstream is not None:
        facts["upstream"] = visit.upstream.authority
    if visit.attempts > 1:
        facts["attempts"] = visit.attempts
    return {**facts, "trace_id": visit.trace_id, "request_id": visit.request_id.decode("ascii")}
