"""`atoll routes`."""

import os
from pathlib import Path

import click

from atoll.cli.options import file_option


@click.command("routes")
@file_option
def command(file: Path | None) -> None:
    """Show what the public door lets in: what goes where, and with which rules. The gateway need not run.

    The exit code is 2 when it could not start with what is written.
    """
    from rich.console import Console

    from atoll.cli.routes_table import limits_table, routes_table
    from atoll.gateway.settings import GATEWAY, GatewaySettings
    from atoll.gateway.settings_check import checked
    from atoll.runner.system_file import SystemFileInvalid, find_system_file
    from atoll.settings import SettingsInvalid, load_settings

    try:
        path = file or find_system_file(Path.cwd())
        settings = load_settings(GatewaySettings, GATEWAY, {**os.environ, "ATOLL_CONFIG": str(path)})
        _, limits = checked(settings)
    except SystemFileInvalid as error:
        raise click.ClickException(str(error)) from error
    except SettingsInvalid as error:
        click.echo(error, err=True)
        raise SystemExit(2) from error
    console = Console(highlight=False)
    console.print(routes_table(settings.routes))
    console.print()
    console.print(limits_table(limits))
    console.print(f"Limits are those of {settings.environment}; from {path}.", style="dim")
