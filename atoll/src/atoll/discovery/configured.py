"""The directory that a service's settings ask for: given addresses first, the registry for everything else."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, Self

from atoll.clock import Clock
from atoll.discovery.addressed import AddressedDirectory
from atoll.discovery.instance import ServiceInstance
from atoll.discovery.registry_directory import RegistryDirectory


class DiscoverySettings(Protocol):
    """What the settings of a service say of others; `users_url` and its like are looked for by name."""

    @property
    def registry_url(self) -> str | None: ...


class ConfiguredDirectory:
    """A `Directory` of given addresses, which win, over a registry. Enter it as an async context manager."""

    def __init__(
        self, addresses: Mapping[str, str], registry_url: str | None = None, *, clock: Clock | None = None
    ) -> None:
        self._addressed = AddressedDirectory(addresses, clock=clock)
        self._registry = RegistryDirectory(registry_url, clock=clock) if registry_url else None
        self._held = AsyncExitStack()

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        if self._registry is None or service in self._addressed:
            return self._addressed.instances(service)
        return self._registry.instances(service)

    async def __aenter__(self) -> Self:
        await self._held.enter_async_context(self._addressed)
        if self._registry:
            await self._held.enter_async_context(self._registry)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._held.aclose()

    def __repr__(self) -> str:
        return f"ConfiguredDirectory({self._addressed!r}, {self._registry!r})"


def directory_for(settings: DiscoverySettings, *services: str, clock: Clock | None = None) -> ConfiguredDirectory:
    """Where `services` are, by the settings: `users_url` gives the address of `users`, if it is set.

    The registry at `registry_url`, if there is one, knows all others, and services not named here too.
    """
    found = {service: _address_in(settings, service) for service in services}
    addresses = {service: address for service, address in found.items() if address}
    return ConfiguredDirectory(addresses, settings.registry_url, clock=clock)


def _address_in(settings: DiscoverySettings, service: str) -> str | None:
    address: str | None = getattr(settings, f"{service.replace('-', '_')}_url", None)
    return address
