"""`atoll events tail`."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import click
import msgspec

from atoll.cli.events_here import events_here, json_option, service_option
from atoll.cli.options import data_option, file_option
from atoll.clock import SystemClock, from_millis, to_millis
from atoll.events import EventUnreadable
from atoll.events.additions import Addition, Additions, in_order
from atoll.events.envelope import read_envelope
from atoll.runner.system_events import SystemEvents
from atoll.storage import DatabaseUnavailable, open_read_only

LOOK_EVERY = 0.1
"""Seconds between two looks into the outboxes; no event reaches a program that only reads."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Before the oldest event."""

Said: TypeAlias = AsyncGenerator[Addition, None]

_AGO = re.compile(r"(\d{1,6})\s*(s|min|m|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class _Since(click.ParamType[datetime]):
    name = "since"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment(str(value), SystemClock().now())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def moment(text: str, now: datetime) -> datetime:
    """`10m` is ten minutes before `now`; a date and time is that one, in UTC unless it says otherwise. ValueError."""
    try:
        if found := _AGO.fullmatch(text.strip()):
            return now - timedelta(seconds=int(found[1]) * _UNITS[found[2]])
        read = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no moment: write how long ago, such as 30s, 10m, 2h or 7d, or 2026-05-04T12:00:00Z."
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


@click.command("tail")
@click.argument("types", nargs=-1, metavar="[TYPE]...")
@file_option
@data_option
@service_option
@click.option("--since", type=_Since(), metavar="WHEN", help="Begin so long ago (10m, 2h, 7d), or at a date and time.")
@click.option("--follow/--no-follow", default=True, help="Wait for more, or show what there is and end.")
@json_option
def tail(
    *,
    types: tuple[str, ...],
    file: Path | None,
    data: Path,
    service: str,
    since: datetime | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show events as services say them, until Ctrl-C: all of them, or those of some types.

    Reads the services' outboxes, which keep each event for a week: no consumer notices. With --json, each line is an
    event as it travels.
    """
    with events_here(data, file) as events:
        if since is None and follow and not events.runs:
            raise click.ClickException(
                f"Nothing runs on the data folder {data}; start the system with `atoll up`, or look back with --since."
            )
        begin = since or (SystemClock().now() if follow else BEGINNING)
        additions = _additions(events, events.only(service), to_millis(begin), follow=follow and events.runs)
        with suppress(KeyboardInterrupt):
            asyncio.run(_tell(additions, frozenset(types), as_json))


async def _tell(additions: Said, types: frozenset[str], as_json: bool) -> None:
    async with aclosing(additions):
        async for addition in additions:
            if not types or addition.type in types:
                click.echo(addition.body if as_json else told(addition))


async def _additions(events: SystemEvents, databases: Mapping[str, str], since: int, *, follow: bool) -> Said:
    """What is in the outboxes, and what comes, until the system stops."""
    clock = SystemClock()
    async with AsyncExitStack() as opened:
        sources = [
            Additions(await opened.enter_async_context(open_read_only(url)), since) for url in databases.values()
        ]
        runs = True
        while runs:
            runs = follow and events.runs
            with suppress(*((DatabaseUnavailable,) if follow else ())):  # it comes back, and is looked into again
                async for addition in in_order([source.look() for source in sources]):
                    yield addition
            await clock.sleep(LOOK_EVERY if runs else 0.0)


def told(addition: Addition) -> str:
    """`12:00:00.123  orders  order.created  0197…  no. 1  {"orderId":"0197…"}`, in colours on a terminal."""
    try:
        event = read_envelope(addition.body)
    except EventUnreadable as error:
        return f"{_time(from_millis(addition.added_at))}  {addition.type}  {addition.event_id}  {error}"
    return "  ".join(
        (
            click.style(_time(event.time), dim=True),
            event.source,
            click.style(event.type, fg="cyan"),
            event.subject,
            f"no. {event.sequence}",
            click.style(msgspec.json.encode(event.data).decode(), dim=True),
        )
    )


def _time(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
