"""What the registry can be told."""

from typing import Annotated

from atoll.settings import Port, ServiceSettings, Setting


class RegistrySettings(ServiceSettings, frozen=True, kw_only=True):
    """The settings of every service, on the registry's own port."""

    port: Annotated[Port, Setting("The port to listen on; 0 takes any free one.")] = 3010
