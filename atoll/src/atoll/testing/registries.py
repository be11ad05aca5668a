"""A registry on a real socket that a test can take away and bring back."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from atoll.clock import Clock
from atoll.discovery.registration import Registration
from atoll.discovery.registry_api import Announcement
from atoll.identity.service_credential import ServiceCredential
from atoll.registry.app import create_registry
from atoll.registry.settings import RegistrySettings
from atoll.settings import DEVELOPMENT_SECRET
from atoll.testing.serving import serving


class RegistryUnderTest:
    """Runs at `url` while it is entered. Each start begins with nothing in memory, at the same address."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.url = ""
        self._held = AsyncExitStack()

    async def start(self) -> None:
        """Begin to answer, as a registry that knows nobody."""
        port = urlsplit(self.url).port if self.url else 0
        program = create_registry(RegistrySettings(port=port or 0), clock=self.clock)
        self.url = await self._held.enter_async_context(serving(program))

    async def stop(self) -> None:
        """Be gone; nothing happens when it is."""
        await self._held.aclose()

    def registration(self, service: str, instance_url: str) -> Registration:
        """What keeps the instance of `service` at `instance_url` in this registry."""
        address = urlsplit(instance_url)
        announcement = Announcement(name=service, host=address.hostname or "", port=address.port or 80)
        credential = ServiceCredential(DEVELOPMENT_SECRET.reveal(), service, clock=self.clock)
        return Registration(self.url, announcement, credential, clock=self.clock)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()
