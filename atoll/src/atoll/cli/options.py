"""Options that several commands share."""

from pathlib import Path

import click

DATA = "ATOLL_DATA"

file_option = click.option(
    "--file",
    envvar="ATOLL_FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The system file; atoll.toml here, or shop/atoll.toml, by default.",
)
data_option = click.option(
    "--data",
    envvar=DATA,
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="The folder of databases, secrets and the note of what runs.",
)
