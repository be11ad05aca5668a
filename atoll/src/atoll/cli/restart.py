"""`atoll restart`."""

import asyncio
from pathlib import Path

import click

from atoll.cli.options import data_option
from atoll.cli.running_here import running_here
from atoll.runner.data_folder import DataFolder
from atoll.runner.mistakes import did_you_mean
from atoll.runner.restarting import CannotRestart, instances_of, restart
from atoll.runner.running_system import RunningSystem


@click.command("restart")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option("--all", "everything", is_flag=True, help="Every service of the system.")
@data_option
def command(services: tuple[str, ...], everything: bool, data: Path) -> None:
    """Restart services, one instance after the other: each when the one before is ready again.

    Services answer all the while: those with several instances (`atoll up --scale orders=2`) by the others, one
    with a single instance by another one that stands in for it. Whoever connects to the gateway waits until the next
    one is there. `orders-2` names one instance.
    """
    if bool(services) == everything:
        raise click.UsageError("Say which services to restart, or --all.")
    running = running_here(data)
    names = list(running.services) if everything else _instances(running, services)
    try:
        asyncio.run(restart(DataFolder(data), names, click.echo))
    except CannotRestart as error:
        raise click.ClickException(str(error)) from error


def _instances(running: RunningSystem, services: tuple[str, ...]) -> list[str]:
    names: list[str] = []
    for service in services:
        found = instances_of(running, service)
        if not found:
            raise click.UsageError(f"There is no service {service!r}.{did_you_mean(service, running.services)}")
        names += [name for name in found if name not in names]
    return names
