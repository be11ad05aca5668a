"""A way into a process: something that accepts connections, and can be asked to stop doing so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from atoll.observability.logging import get_logger

log = get_logger()


class Address(NamedTuple):
    """Where a listener is bound."""

    host: str
    port: int


class Listener(Protocol):
    """One way in: `start`, later `stop_accepting`, then `drain`, once each, in this order."""

    async def start(self) -> Address:
        """Bind and accept; the address says which port was free when 0 was asked for.

        Raises `StartFailed` with one sentence when the address cannot be had.
        """

    async def stop_accepting(self) -> None:
        """Take no new connections; those that clients have made already, accepted or not, stay.

        From now on answers say `Connection: close`.
        """

    async def drain(self, timeout: float) -> None:
        """Return when the last request in hand is answered and its connection closed.

        Idle connections get a moment for a request that is on its way, and are closed then. What is left
        after `timeout` seconds is cut.
        """


@asynccontextmanager
async def accepting(listeners: Mapping[str, Listener], drain_timeout: float) -> AsyncIterator[dict[str, Address]]:
    """Start the listeners in order, and tell where each is bound; in the end stop and drain all at once.

    One that fails to stop is logged and does not keep the others from it.
    """
    started: dict[str, Listener] = {}
    bound: dict[str, Address] = {}
    try:
        for name, listener in listeners.items():
            bound[name] = await listener.start()
            started[name] = listener
        yield bound
    finally:
        await _each(started.values(), lambda listener: listener.stop_accepting())
        await _each(started.values(), lambda listener: listener.drain(drain_timeout))


async def _each(listeners: Iterable[Listener], step: Callable[[Listener], Coroutine[Any, Any, None]]) -> None:
    for outcome in await asyncio.gather(*map(step, listeners), return_exceptions=True):
        if isinstance(outcome, Exception):
            log.error("listener failed to stop", exc_info=outcome)
