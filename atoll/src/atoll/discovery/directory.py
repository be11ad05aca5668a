"""The port to discovery: which instances of a service are there to be called."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from atoll.discovery.instance import ServiceInstance


class Directory(Protocol):
    """Knows the instances of services. Asking costs no I/O: an adapter keeps its list up to date by itself."""

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        """The instances to call now; empty when none is known. The same object until the list changes."""


class FixedDirectory:
    """Services at addresses that never change, such as `{"users": "http://127.0.0.1:3001"}`.

    Several addresses of one service are joined by commas: `http://a:3001,http://b:3001`.
    """

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._instances = {
            service: tuple(instance_at(service, url.strip()) for url in joined.split(","))
            for service, joined in urls.items()
        }

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self._instances.get(service, ())

    def __contains__(self, service: str) -> bool:
        return service in self._instances


def instance_at(service: str, url: str) -> ServiceInstance:
    """The instance of `service` at a fixed `http://host[:port]`; ValueError says what is wrong with another URL."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"{url!r} is not the address of a service; write http://host:port")
    return ServiceInstance(id=url, name=service, host=parts.hostname, port=parts.port or 80)
