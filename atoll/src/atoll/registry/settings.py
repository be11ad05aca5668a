"""What the registry can be told."""

from typing import Annotated

from atoll.registry.announcers import networks
from atoll.settings import Port, ServiceSettings, Setting


class RegistrySettings(ServiceSettings, frozen=True, kw_only=True):
    """The settings of every service, on the registry's own port."""

    port: Annotated[Port, Setting("The port to listen on; 0 takes any free one.")] = 3010
    networks: Annotated[
        tuple[str, ...],
        Setting(
            "Networks whose addresses every instance may announce, such as 10.0.0.0/8; else only its own address.",
            env="REGISTRY_NETWORKS",
            check=networks,
        ),
    ] = ()
