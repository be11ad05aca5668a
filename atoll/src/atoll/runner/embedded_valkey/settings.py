"""What the embedded server can be told."""

from typing import Annotated

from atoll.settings import Port, Secret, ServiceSettings, Setting


class EmbeddedValkeySettings(ServiceSettings, frozen=True, kw_only=True):
    """The settings of every service, and where the server keeps what it is given."""

    valkey_folder: Annotated[str, Setting("Where its data is, and belongs to nobody else.")]
    valkey_port: Annotated[Port, Setting("Where it is spoken to; 0 takes any free port.")] = 0
    valkey_password: Annotated[Secret, Setting("What everybody must know who speaks to it.")]
