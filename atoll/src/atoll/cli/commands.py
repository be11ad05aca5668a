"""All commands by name. Each lives in a module of its own that is imported when it is used."""

from importlib import import_module
from pathlib import Path

import click

OURS = {
    "up": "Start the system, and look after it until Ctrl-C.",
    "status": "Show what runs, and how it does.",
    "restart": "Restart services, one instance after the other.",
    "routes": "Show what the public door lets in: what goes where, and with which rules.",
    "events": "Watch events, see how far behind they are, and deal with dead letters.",
    "data": "Take the services' data out, or into another engine.",
}


class Commands(click.Group):
    """The platform's commands, and those of the system file in this folder, if there is one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*OURS, *_help_of_system_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in OURS:
            command: click.Command = import_module(f"atoll.cli.{cmd_name}").command
            return command
        from atoll.cli.system_command import system_command

        return system_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _section(formatter, "Commands", OURS)
        _section(formatter, "Commands of the system here", _help_of_system_commands())


def _help_of_system_commands() -> dict[str, str]:
    from atoll.runner.system_file import SystemFileInvalid, find_system_file, read_system

    try:
        commands = read_system(find_system_file(Path.cwd())).commands
    except SystemFileInvalid:
        return {}
    return {name: spec.help for name, spec in commands.items()}


def _section(formatter: click.HelpFormatter, title: str, commands: dict[str, str]) -> None:
    if commands:
        with formatter.section(title):
            formatter.write_dl(list(commands.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def atoll() -> None:
    """Run a system of services, described on one page: atoll.toml."""
