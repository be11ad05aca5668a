"""What the registry can be told."""

from typing import Annotated

from atoll.registry.announcers import networks
from atoll.settings import Port, ServiceSettings, Setting


def list_address(url: str) -> None:
    """The address of a Valkey or Redis server; ValueError tells what else it is."""
    from atoll.events.opening import open_broker

    open_broker(url)


class RegistrySettings(ServiceSettings, frozen=True, kw_only=True):
    """The settings of every service, on the registry's own port."""

    port: Annotated[Port, Setting("The port to listen on; 0 takes any free one.")] = 3010
    list_url: Annotated[
        str | None,
        Setting(
            "The Valkey or Redis server through which replicas of the registry share their list: valkey://host:port, "
            "valkeys:// with TLS, or unix:///path. A single registry needs none.",
            env="REGISTRY_VALKEY_URL",
            check=list_address,
        ),
    ] = None
    networks: Annotated[
        tuple[str, ...],
        Setting(
            "Networks whose addresses every instance may announce, such as 10.0.0.0/8; else only its own address.",
            env="REGISTRY_NETWORKS",
            check=networks,
        ),
    ] = ()
