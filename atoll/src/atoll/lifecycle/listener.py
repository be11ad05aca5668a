"""A way into a process: something that accepts connections, and can be asked to stop doing so."""

from typing import NamedTuple, Protocol


class Address(NamedTuple):
    """Where a listener is bound."""

    host: str
    port: int


class Listener(Protocol):
    """One way in. `start`, then `stop_accepting`, then `drain`, once each, in this order."""

    async def start(self) -> Address:
        """Bind and accept; the address says which port was free when 0 was asked for.

        Raises `StartFailed` with one sentence when the address cannot be had.
        """

    async def stop_accepting(self) -> None:
        """Take no new connections; those that are made already, also the not yet accepted, stay.

        From now on every answer says `Connection: close`.
        """

    async def drain(self, timeout: float) -> None:
        """Return when the last request in hand is answered and its connection closed.

        Idle connections get a moment for a request that is on its way, and are closed then. What is left
        after `timeout` seconds is cut.
        """
