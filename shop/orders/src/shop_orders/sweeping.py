"""In the background: look for orders that have been pending for long, again and again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atoll.calls import CallError
from atoll.clock import Clock
from atoll.observability.logging import get_logger
from atoll.storage import CommitFailed, DatabaseUnavailable
from shop_orders.use_cases.ask_about_pending import AskAboutPending

PAUSE = 5.0
"""Seconds between two looks."""

log = get_logger()


@dataclass(frozen=True)
class Sweeping:
    ask_about_pending: AskAboutPending
    clock: Clock
    changed: Callable[[Sequence[str]], None]
    """Told of the orders after each look."""

    async def run(self) -> None:
        """Until cancelled. While products or the database is away, every order stays as it is."""
        while True:
            try:
                self.changed(await self.ask_about_pending())
            except (CallError, DatabaseUnavailable, CommitFailed) as error:
                log.warning("pending orders stay so for now", reason=str(error))
            await self.clock.sleep(PAUSE)
