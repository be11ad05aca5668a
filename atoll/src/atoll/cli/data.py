"""`atoll data export` and `import`: what services keep, out of one engine and into another; and `url`: where it is."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from atoll.cli.options import data_option, file_option
from atoll.runner.data_folder import DataFolder, DataFolderUnusable
from atoll.runner.databases import CannotKeepData, databases_of
from atoll.runner.ports import PortPlan, ports_of
from atoll.runner.system_file import System, SystemFileInvalid, find_system_file, read_system
from atoll.storage import DatabaseError
from atoll.storage.transfer import TransferFailed

Move = Callable[[str, str, str, Path], Coroutine[Any, Any, int]]
"""Moves the data of a service, by its name, its module, the URL of its database, and a file; gives the rows."""

where_option = click.option(
    "--database",
    envvar="ATOLL_DATABASE",
    default="",
    metavar="WHERE",
    help="Where the data is, as for `atoll up`; where the data folder remembers it, by default.",
)
only_option = click.option("--only", default="", metavar="NAME,…", help="The data of these services and no others.")
folder_argument = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.group("data")
def command() -> None:
    """Take the services' data out, or into another engine, while the system does not run; or find it."""


@command.command("export")
@file_option
@data_option
@where_option
@only_option
@folder_argument
def export(file: Path | None, data: Path, database: str, only: str, folder: Path) -> None:
    """Write what each service keeps to a file FOLDER/NAME.jsonl, which holds secrets too."""
    from atoll.storage import open_read_only
    from atoll.storage.transfer import export_data

    async def move(name: str, _: str, url: str, path: Path) -> int:
        async with open_read_only(url) as source:
            with _bar(name) as progress:
                return await export_data(source, name, path, progress)

    _make(folder)
    _move_all(move, "written to", file=file, data=data, database=database, only=only, folder=folder)


@command.command("import")
@file_option
@data_option
@where_option
@only_option
@folder_argument
def import_(file: Path | None, data: Path, database: str, only: str, folder: Path) -> None:
    """Put what was exported to FOLDER into empty databases, and compare each row with the file."""
    from atoll.storage import load_migrations, open_database
    from atoll.storage.transfer import import_data

    async def move(name: str, module: str, url: str, path: Path) -> int:
        async with open_database(url) as target:
            with _bar(name) as progress:
                return await import_data(target, name, load_migrations(module), path, progress)

    _move_all(move, "read from, and compared with,", file=file, data=data, database=database, only=only, folder=folder)


@command.command("url")
@file_option
@data_option
@where_option
@click.argument("service")
def url(file: Path | None, data: Path, database: str, service: str) -> None:
    """Print where the data of SERVICE is, password included, as psql, pg_dump and the like want it."""
    try:
        data_folder = DataFolder(data)
        databases = databases_of(data_folder, database)
        system = databases.part_of(read_system(file or find_system_file(Path.cwd())))
        address = databases.url(_known(service, _keepers(system)), ports_of(system, data_folder.running()))
    except (SystemFileInvalid, DataFolderUnusable, CannotKeepData) as error:
        raise click.ClickException(str(error)) from error
    click.echo(_as_others_know_it(address))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be made: {error.strerror}.") from error


def _as_others_know_it(address: str) -> str:
    """Without the options that are ours."""
    if address.startswith("sqlite"):
        return address
    from atoll.storage.postgres import libpq_url

    return libpq_url(address)


def _move_all(move: Move, done: str, *, file: Path | None, data: Path, database: str, only: str, folder: Path) -> None:
    """Move the data of one service after the other; stops at the first that cannot be moved."""
    try:
        data_folder = DataFolder(data)
        databases = databases_of(data_folder, database)
        system = databases.part_of(read_system(file or find_system_file(Path.cwd())))
        names = _chosen(system, only)
        with databases.stopped(system, ports := PortPlan(system.services)):
            for name in names:
                path, url = folder / f"{name}.jsonl", databases.url(name, ports)
                rows = asyncio.run(move(name, system.services[name].module, url, path))
                click.echo(f"{name}: {rows:,} rows {done} {path}")
    except (SystemFileInvalid, DataFolderUnusable, CannotKeepData, DatabaseError, TransferFailed) as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:  # an address that is none
        raise click.ClickException(str(error)) from error


def _chosen(system: System, only: str) -> list[str]:
    """The services that keep their data here, or some of them."""
    keepers = _keepers(system)
    wanted = [_known(name.strip(), keepers) for name in only.split(",") if name.strip()]
    return [name for name in keepers if not wanted or name in wanted]


def _keepers(system: System) -> list[str]:
    return [name for name, spec in system.services.items() if spec.database is True]


def _known(name: str, keepers: list[str]) -> str:
    if name not in keepers:
        raise click.UsageError(f"{name!r} is no service with a database of its own; there are {', '.join(keepers)}.")
    return name


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how far it is, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=None)
        yield lambda rows, total: progress.update(task, completed=rows, total=total)
