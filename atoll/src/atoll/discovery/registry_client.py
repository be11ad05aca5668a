"""Calling the registry, or the replica of it whose turn it is."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from atoll.calls.client import ServiceClient
from atoll.calls.load_balancer import InOrder
from atoll.calls.timeouts import Timeouts
from atoll.clock import Clock
from atoll.discovery.addressed import AddressedDirectory
from atoll.discovery.registry_api import REGISTRY
from atoll.resilience.retry_policy import RetryPolicy

AT_THE_NEXT_REPLICA = RetryPolicy(max_attempts=2, initial_backoff=0.0, max_backoff=0.0)
"""One more try, at once; those who call go on trying by themselves, with growing pauses."""


class RegistryClient:
    """The registry at `address`: `http://host:port`, its replicas joined by commas, or `dns://host:port`.

    All callers ask the first replica that answers, so that what they are told is one view of the system even
    while the replicas do not hear of each other. Enter it as an async context manager before use.
    """

    def __init__(
        self,
        address: str,
        *,
        timeouts: Timeouts,
        credential: Callable[[str], str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._directory = AddressedDirectory({REGISTRY: address}, clock=clock)
        self.calls = ServiceClient(
            REGISTRY,
            self._directory,
            credential=credential,
            timeouts=timeouts,
            retry=AT_THE_NEXT_REPLICA,
            load_balancer=InOrder(),
            clock=clock,
        )
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as entered:
            await entered.enter_async_context(self._directory)
            await entered.enter_async_context(self.calls)
            self._held = entered.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._held.aclose()
