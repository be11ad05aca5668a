"""What the embedded server can be told."""

from pathlib import Path
from typing import Annotated

from atoll.settings import ServiceSettings, Setting


class EmbeddedValkeySettings(ServiceSettings, frozen=True, kw_only=True):
    """The settings of every service, and the server's two places."""

    valkey_folder: Annotated[Path, Setting("Where its data is, and belongs to nobody else.")]
    valkey_socket: Annotated[Path, Setting("Where it is spoken to: a Unix socket, at a path of at most 100 bytes.")]
