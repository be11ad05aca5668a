"""`atoll status`."""

import asyncio
import sys
from pathlib import Path

import click

from atoll.cli.options import data_option
from atoll.cli.running_here import running_here
from atoll.runner.running_system import RunningSystem
from atoll.runner.status import ServiceStatus, status_of


@click.command("status")
@data_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(data: Path, as_json: bool) -> None:
    """Show what runs, and how it does. The exit code is 0 when every service is ready, else 1."""
    running = running_here(data)
    services = asyncio.run(status_of(running))
    if as_json:
        _print_json(running, services)
    else:
        _print_table(running, services)
    sys.exit(0 if all(service.ready for service in services) else 1)


def _print_json(running: RunningSystem, services: list[ServiceStatus]) -> None:
    import msgspec

    content = {"name": running.name, "file": running.file, "runnerPid": running.runner_pid, "services": services}
    click.echo(msgspec.json.format(msgspec.json.encode(content), indent=2))


def _print_table(running: RunningSystem, services: list[ServiceStatus]) -> None:
    from rich.console import Console

    from atoll.cli.status_table import calls_table, status_table

    console = Console(highlight=False)
    console.print(status_table(services))
    if any(service.calls for service in services):
        console.print()
        console.print(calls_table(services))
    console.print(f"{running.name}, from {running.file}, looked after by process {running.runner_pid}", style="dim")
