"""Logs: one line for each event, as JSON for machines or coloured text for people."""

from typing import Any, Literal

import structlog

LogFormat = Literal["auto", "json", "pretty"]
LogLevel = Literal["debug", "info", "warning", "error"]


def get_logger(**fields: Any) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines all carry `fields`; made at import, configured when the process starts."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(**fields)
    return logger


def configure_logging(service: str, format: LogFormat = "auto", level: LogLevel = "info") -> None:
    """Say once, at the start of the process, how its lines look."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level), cache_logger_on_first_use=True
    )
