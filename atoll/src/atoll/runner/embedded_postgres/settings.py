"""What the embedded server can be told."""

from pathlib import Path
from typing import Annotated

from atoll.settings import Port, Secret, ServiceSettings, Setting


class EmbeddedPostgresSettings(ServiceSettings, frozen=True, kw_only=True):
    """The settings of every service, and what the server keeps for whom."""

    postgres_folder: Annotated[Path, Setting("Where its data is, and belongs to nobody else.")]
    postgres_port: Annotated[Port, Setting("Where it is spoken to; 0 takes any free port.")] = 0
    postgres_password: Annotated[Secret, Setting("The password of its administrator; those of services come from it.")]
    databases: Annotated[tuple[str, ...], Setting("Services that get a database, each its own.")] = ()
