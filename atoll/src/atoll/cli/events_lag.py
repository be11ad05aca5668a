"""`atoll events lag`."""

import asyncio
import sys
from pathlib import Path

import click

from atoll.cli.events_here import events_here, json_option
from atoll.cli.options import data_option, file_option
from atoll.clock import Clock, SystemClock
from atoll.runner.event_lag import Lag, lag_of
from atoll.runner.system_events import SystemEvents

LOOK_EVERY = 0.2
"""Seconds between two looks, while we wait for all to be done."""


@click.command("lag")
@file_option
@data_option
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600),
    default=0.0,
    metavar="SECONDS",
    help="Look again for so long, until nothing waits.",
)
@json_option
def lag(*, file: Path | None, data: Path, wait: float, as_json: bool) -> None:
    """Show what waits: in each service's outbox, at the broker, and after failures.

    The exit code is 0 when nothing waits and nothing was given up, else 1; also when that cannot be known.
    """
    with events_here(data, file) as events:
        found = asyncio.run(_when_zero(events, wait, SystemClock()))
    if as_json:
        _print_json(found)
    else:
        _print_tables(found)
    sys.exit(0 if found.is_zero else 1)


async def _when_zero(events: SystemEvents, seconds: float, clock: Clock) -> Lag:
    """The first lag that is zero, or the last one within so many seconds."""
    give_up = clock.monotonic() + seconds
    while not (found := await lag_of(events, clock)).is_zero and clock.monotonic() < give_up:
        await clock.sleep(LOOK_EVERY)
    return found


def _print_json(found: Lag) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))


def _print_tables(found: Lag) -> None:
    from rich.console import Console

    from atoll.cli.events_tables import services_table, subscriptions_table

    console = Console(highlight=False)
    console.print(services_table(found.services))
    console.print()
    if found.broker_unknown:
        console.print(f"What waits at the broker is not known. {found.broker_unknown}", style="yellow", soft_wrap=True)
    elif found.subscriptions:
        console.print(subscriptions_table(found.subscriptions))
    else:
        console.print("Nobody has subscribed to anything yet.", style="dim")
