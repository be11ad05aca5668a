"""The events of the system here, for the commands that work on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from atoll.runner.data_folder import DataFolder, DataFolderUnusable
from atoll.runner.databases import CannotKeepData
from atoll.runner.given import CannotBeRead
from atoll.runner.system_events import NoEvents, SystemEvents, events_of_system
from atoll.runner.system_file import SystemFileInvalid
from atoll.storage import DatabaseError

service_option = click.option("--service", default="", metavar="NAME", help="Those of this service only.")
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


@contextmanager
def events_here(data: Path, file: Path | None) -> Iterator[SystemEvents]:
    """Within, the databases answer. What cannot be had is told in a sentence."""
    try:
        with events_of_system(DataFolder(data), file) as events:
            yield events
    except (NoEvents, SystemFileInvalid, CannotKeepData, DataFolderUnusable, CannotBeRead, DatabaseError) as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:  # an address that is none
        raise click.ClickException(str(error)) from error
