"""The commands that a system brings along, as `[commands.NAME]` of its file."""

import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import click

from atoll.cli.commands import OURS
from atoll.cli.options import DATA, data_option, file_option
from atoll.runner import brokers
from atoll.runner.data_folder import DataFolder, DataFolderUnusable
from atoll.runner.databases import CannotKeepData, databases_of
from atoll.runner.environment import Surroundings
from atoll.runner.mistakes import did_you_mean
from atoll.runner.ports import ports_of
from atoll.runner.running_system import RunningSystem
from atoll.runner.system_file import CommandSpec, System, SystemFileInvalid, find_system_file, read_system

_HELP = frozenset(["-h", "--help"])


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
        try:
            sys.exit(_run(name, file, DataFolder(data), arguments))
        except (CannotKeepData, DataFolderUnusable) as error:
            raise click.ClickException(str(error)) from error

    return command


def _run(name: str, file: Path | None, folder: DataFolder, arguments: tuple[str, ...]) -> int:
    running = folder.running()
    databases = databases_of(folder)
    system = databases.part_of(_system(file, running, name))
    if running and brokers.SERVER in running.services:
        system = brokers.with_broker(system, folder)
    spec = _find(name, system)
    if spec.needs_running and running is None and not _HELP.intersection(arguments):
        raise click.ClickException(f"`atoll {name}` needs a running system; start it with `atoll up`.")
    ports = ports_of(system, running)
    surroundings = Surroundings(
        system, ports, folder, log_format="auto", runs_here=frozenset(system.services), databases=databases
    )
    program = [sys.executable, "-m", spec.module, *spec.arguments, *arguments]
    with databases.at_hand(system, ports) if spec.service or spec.databases else nullcontext(False) as only_here:
        environment = {**os.environ, **surroundings.of_command(spec), DATA: str(folder.path)}
        return _stay_beside(program, environment) if only_here else _become(program, environment)


def _become(program: list[str], environment: dict[str, str]) -> NoReturn:
    """This process becomes the program, so that Ctrl-C, signals and the exit code are the program's own."""
    os.execve(sys.executable, program, environment)  # noqa: S606 - the file names it


def _stay_beside(program: list[str], environment: dict[str, str]) -> int:
    """Run the program while we hold what it needs; a Ctrl-C is its business."""
    with subprocess.Popen(program, env=environment) as process:  # noqa: S603 - the file names it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return process.wait()


def _system(file: Path | None, running: RunningSystem | None, name: str) -> System:
    """The file that is named, or that of the running system, or the one here."""
    try:
        return read_system(file or (Path(running.file) if running else find_system_file(Path.cwd())))
    except SystemFileInvalid as error:
        raise click.UsageError(f"There is no command {name!r} of atoll itself, and {error}", _of_atoll()) from error


def _find(name: str, system: System) -> CommandSpec:
    if name not in system.commands:
        known = [*OURS, *system.commands]
        raise click.UsageError(f"There is no command {name!r}.{did_you_mean(name, known)}", _of_atoll())
    return system.commands[name]


def _of_atoll() -> click.Context | None:
    """A name that means nothing has no usage of its own to show."""
    return click.get_current_context().parent
