"""The directory of services whose addresses are given, instead of found."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from atoll.clock import Clock
from atoll.discovery.directory import FixedDirectory
from atoll.discovery.dns_directory import SCHEME, DnsDirectory
from atoll.discovery.instance import ServiceInstance


class AddressedDirectory:
    """A `Directory` of services at `http://host:port`, several joined by commas, or at `dns://host:port`.

    Enter it as an async context manager before use. ValueError says what is wrong with an address.
    """

    def __init__(self, addresses: Mapping[str, str], *, clock: Clock | None = None) -> None:
        named = {service: address for service, address in addresses.items() if address.startswith(SCHEME)}
        self._fixed = FixedDirectory({service: addresses[service] for service in addresses if service not in named})
        self._named = DnsDirectory(named, clock=clock)

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self._fixed.instances(service) or self._named.instances(service)

    def __contains__(self, service: str) -> bool:
        return service in self._fixed or service in self._named

    async def __aenter__(self) -> Self:
        await self._named.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._named.__aexit__(exc_type, exc, traceback)

    def __repr__(self) -> str:
        return f"AddressedDirectory({self._fixed!r}, {self._named!r})"
