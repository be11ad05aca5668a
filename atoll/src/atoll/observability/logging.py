"""Logs: one line for each event on standard output, as JSON for machines or coloured text for people.

    log = get_logger()
    log.info("order placed", order_id=order.id)

Every line has `time`, `level`, `service`, `event`, within a request also `trace_id` and `request_id`, and
then what the event brings. Lines of the standard library's loggers, and so of every library, take the same
way. A log call never raises and never shows a secret: values under names that say secret, password, token
and the like, and credentials in URLs and authorization headers, are `***`.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import orjson

from atoll import context
from atoll.observability.lean_structlog import EventDict, FilteringBoundLogger, Processor, structlog
from atoll.observability.pretty import Pretty
from atoll.observability.redaction import hide_in_text, hide_values

LogFormat = Literal["auto", "json", "pretty"]
LogLevel = Literal["debug", "info", "warning", "error"]

_LEVELS: dict[LogLevel, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def get_logger(**fields: Any) -> FilteringBoundLogger:
    """A logger whose lines all carry `fields`. Made at import; looks as `configure_logging` says later."""
    logger: FilteringBoundLogger = structlog.get_logger(**fields)
    return logger


def configure_logging(
    service: str,
    format: LogFormat = "auto",
    level: LogLevel = "info",
    stream: TextIO | None = None,
) -> None:
    """Say once, at the start of the process, how its lines look.

    `auto` is pretty on a terminal and JSON elsewhere. Lines go to `stream`, standard output by default. Of
    other libraries only warnings and worse are shown, unless `level` is `debug`. Loggers that were in use
    before follow, but keep their level.
    """
    stream = stream or sys.stdout
    pretty = format == "pretty" or (format == "auto" and stream.isatty())
    _output.stream = stream
    _processors[:] = [_Line(service), Pretty(stream) if pretty else _as_json]
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _output,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=_library_level(level), force=True)
    logging.captureWarnings(True)


class _Line:
    """Makes a line of an event: what every line has first, then what the event brings."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: object, method: str, event: EventDict) -> EventDict:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": method,
            "service": self._service,
            "event": event.pop("event"),
        }
        request = context.current.get()
        if request is not None:
            line["trace_id"] = request.trace.trace_id
            line["request_id"] = request.request_id
        error = _error(event.pop("exc_info", None))
        line.update(hide_values(event))
        if error is not None:
            line["exception"] = _whole(error)
        return line


def _error(exc_info: object) -> BaseException | None:
    """The error that a log call means: handed over, or, with True, the one that is being handled."""
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    elif exc_info is True:
        exc_info = sys.exc_info()[1]
    return exc_info if isinstance(exc_info, BaseException) else None


def _whole(error: BaseException) -> str:
    """The error with its causes and tracebacks; never with the values of variables."""
    return "".join(traceback.format_exception(error)).rstrip()


def _as_json(_: object, __: str, line: EventDict) -> str:
    try:
        return orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):  # such as numbers beyond 64 bits, half a surrogate pair
        return json.dumps({key: value if isinstance(value, str) else repr(value) for key, value in line.items()})


class _Output:
    """Where structlog writes finished lines; the name of the method is the level, which is in the line."""

    stream: TextIO = sys.stdout

    def write(self, line: str) -> None:
        """One line, at once. A reader that is gone, or a full disk, must not hurt the program."""
        try:
            self.stream.write(hide_in_text(line) + "\n")
            self.stream.flush()
        except BrokenPipeError:
            _write_nowhere(self.stream)
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = fatal = msg = write


def _write_nowhere(stream: TextIO) -> None:
    """Let what is written to `stream` from now on vanish, also what Python flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _ToStructlog(logging.Handler):
    """Takes the records of the standard library's loggers."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write = _method_for(record.levelno)
            write(record.getMessage().strip(), logger=record.name, exc_info=record.exc_info)
        except Exception:
            self.handleError(record)


def _method_for(level: int) -> Callable[..., Any]:
    if level >= logging.CRITICAL:
        return _libraries.critical
    if level >= logging.ERROR:
        return _libraries.error
    if level >= logging.WARNING:
        return _libraries.warning
    return _libraries.info if level >= logging.INFO else _libraries.debug


def _library_level(level: LogLevel) -> int:
    return logging.INFO if level == "debug" else max(_LEVELS[level], logging.WARNING)


_processors: list[Processor] = []
_output = _Output()
_libraries = get_logger()
