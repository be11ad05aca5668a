"""`atoll events`: what services tell each other, how far behind they are, and what they have given up."""

import click

from atoll.cli.events_dead import dead
from atoll.cli.events_lag import lag
from atoll.cli.events_tail import tail


@click.group("events")
def command() -> None:
    """Watch the events of the system, see how far behind they are, and deal with those that were given up."""


for _each in (tail, lag, dead):
    command.add_command(_each)
