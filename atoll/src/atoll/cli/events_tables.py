"""The tables of `atoll events`."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from atoll.events import DeadLetter
from atoll.runner.event_lag import ServiceLag, SubscriptionLag
from atoll.runner.quantities import duration


def services_table(services: Sequence[ServiceLag]) -> Table:
    """One line for each service: what it has not sent, what it tries again, and what it gave up."""
    table = _table(words=("service",), numbers=("outbox", "oldest", "set aside", "dead"))
    for service in services:
        if service.unknown:
            table.add_row(service.name, Text("?", style="red"), *[""] * 3, Text(service.unknown, style="red"))
            continue
        table.add_row(
            service.name,
            _count(service.outbox),
            duration(service.oldest_seconds) if service.outbox else "-",
            _count(service.set_aside),
            _count(service.dead, style="red"),
        )
    return table


def subscriptions_table(subscriptions: Sequence[SubscriptionLag]) -> Table:
    """One line for each type of event that a service acts on: what the broker has for it."""
    table = _table(words=("at the broker",), numbers=("not given out", "in hand"))
    for each in subscriptions:
        table.add_row(f"{each.service} ← {each.type}", _count(each.undelivered), _count(each.pending))
    return table


def dead_letter_lines(letters: Sequence[tuple[str, DeadLetter]]) -> Iterator[str]:
    """One line for each dead letter, as wide as it is, in columns: ids are there to be copied."""
    rows = [
        (service, each.event_id, each.type, f"{each.deliveries} tries", moment(each.last_failed_at), each.reason)
        for service, each in letters
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()


def moment(when: datetime) -> str:
    """`2026-05-04 12:00:00`, in UTC as everywhere."""
    return f"{when:%Y-%m-%d %H:%M:%S}"


def _count(number: int, style: str = "yellow") -> Text:
    return Text(f"{number:,}", style=style if number else "")


def _table(*, words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in words:
        table.add_column(column, no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table
