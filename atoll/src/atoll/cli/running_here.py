"""What runs on the data folder, for the commands that need it to run."""

from pathlib import Path

import click

from atoll.runner.data_folder import DataFolder, DataFolderUnusable
from atoll.runner.running_system import RunningSystem


def running_here(data: Path) -> RunningSystem:
    """The running system; when there is none, or that cannot be known, it is told in a sentence."""
    try:
        running = DataFolder(data).running()
    except DataFolderUnusable as error:
        raise click.ClickException(str(error)) from error
    if running is None:
        raise click.ClickException(f"Nothing runs on the data folder {data}; start the system with `atoll up`.")
    return running
