"""The commands that a system brings along, as `[commands.NAME]` of its file."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from atoll.cli.options import DATA, data_option, file_option
from atoll.runner.data_folder import DataFolder
from atoll.runner.environment import Surroundings
from atoll.runner.mistakes import did_you_mean
from atoll.runner.ports import PortPlan
from atoll.runner.running_system import RunningSystem
from atoll.runner.system_file import CommandSpec, System, SystemFileInvalid, find_system_file, read_system


def system_command(name: str) -> click.Command:
    """A command that looks itself up in the system file when it is run.

    Our options come first; everything else goes to the program as it is.
    """

    @click.command(
        name,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
        add_help_option=False,
    )
    @file_option
    @data_option
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(file: Path | None, data: Path, arguments: tuple[str, ...]) -> None:
        _become(name, file, DataFolder(data), arguments)

    return command


def _become(name: str, file: Path | None, folder: DataFolder, arguments: tuple[str, ...]) -> NoReturn:
    """This process becomes the program, so that Ctrl-C, signals and the exit code are the program's own."""
    running = folder.running()
    system = _system(file, running, name)
    spec = _find(name, system)
    if spec.needs_running and running is None:
        raise click.ClickException(f"`atoll {name}` needs a running system; start it with `atoll up`.")
    surroundings = Surroundings(
        system, _ports(system, running), folder, log_format="auto", runs_here=frozenset(system.services)
    )
    program = [sys.executable, "-m", spec.module, *spec.arguments, *arguments]
    environment = {**os.environ, **surroundings.of_command(spec), DATA: str(folder.path)}
    os.execve(sys.executable, program, environment)  # noqa: S606 - the file names it


def _system(file: Path | None, running: RunningSystem | None, name: str) -> System:
    """The file that is named, or that of the running system, or the one here."""
    try:
        return read_system(file or (Path(running.file) if running else find_system_file(Path.cwd())))
    except SystemFileInvalid as error:
        raise click.UsageError(f"There is no command {name!r} of atoll itself, and {error}") from error


def _find(name: str, system: System) -> CommandSpec:
    if name not in system.commands:
        known = ["up", "status", "restart", *system.commands]
        raise click.UsageError(f"There is no command {name!r}.{did_you_mean(name, known)} See `atoll --help`.")
    return system.commands[name]


def _ports(system: System, running: RunningSystem | None) -> PortPlan:
    ports = PortPlan(system.services)
    for name, service in (running.services if running else {}).items():
        if name in system.services:
            ports.bound(name, service.ports)
    return ports
