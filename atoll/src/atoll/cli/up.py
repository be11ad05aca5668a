"""`atoll up`."""

import os
import sys
from pathlib import Path

import click

from atoll.cli import BEGAN
from atoll.cli.options import data_option, file_option
from atoll.runner.brokers import CannotCarryEvents
from atoll.runner.data_folder import DataFolderUnusable
from atoll.runner.databases import CannotKeepData
from atoll.runner.scaling import CannotScale
from atoll.runner.system_file import SystemFileInvalid, find_system_file
from atoll.runner.up import CannotRun, UpOptions, up
from atoll.runner.view import LogFormat


@click.command("up")
@file_option
@data_option
@click.option("--only", default="", metavar="NAME,…", help="Start these services and no others.")
@click.option(
    "--port-base",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Move all ports so that the lowest is N; 0 takes any free ones.",
)
@click.option(
    "--scale",
    multiple=True,
    metavar="NAME=N",
    callback=lambda _, __, words: dict(_count(word) for word in words),
    help="Run N instances of a service; may be given several times.",
)
@click.option(
    "--database",
    envvar="ATOLL_DATABASE",
    default="",
    metavar="WHERE",
    help="Where data is kept: sqlite, postgresql (a server of the system's own), or a URL with {service} in it; "
    "remembered in the data folder.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "pretty", "json"]),
    default="auto",
    show_default=True,
    help="json passes the services' JSON lines on as they are.",
)
def command(
    *,
    file: Path | None,
    data: Path,
    only: str,
    port_base: int | None,
    scale: dict[str, int],
    database: str,
    log_format: LogFormat,
) -> None:
    """Start the system, and look after it until Ctrl-C.

    Services start in the order of their needs, are started again when they die, and stop in reverse.
    """
    try:
        options = UpOptions(
            file=file or find_system_file(Path.cwd()),
            data=data,
            only=[name.strip() for name in only.split(",") if name.strip()],
            port_base=port_base,
            log_format=log_format,
            scale=scale,
            database=database,
        )
        sys.exit(up(options, began=BEGAN))
    except (SystemFileInvalid, DataFolderUnusable, CannotRun, CannotScale, CannotKeepData, CannotCarryEvents) as error:
        raise click.ClickException(str(error)) from error
    except BrokenPipeError:
        _stop_writing()
        sys.exit(1)


def _count(word: str) -> tuple[str, int]:
    """`orders=3`, read."""
    name, _, count = word.partition("=")
    if not count.isdecimal():
        raise click.BadParameter(f"{word!r} is not like orders=3.")
    return name, int(count)


def _stop_writing() -> None:
    """Nobody reads our output any more: keep the interpreter from complaining when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
