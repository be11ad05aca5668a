"""In the background: look for holds that ran out, again and again."""

from dataclasses import dataclass

from atoll.calls.errors import CallError
from atoll.clock import Clock
from atoll.observability.logging import get_logger
from atoll.storage import CommitFailed, DatabaseUnavailable
from shop_products.use_cases.free_lapsed_holds import AT_ONCE, FreeLapsedHolds

log = get_logger()


@dataclass(frozen=True)
class Sweeping:
    free_lapsed_holds: FreeLapsedHolds
    clock: Clock
    pause: float
    """Seconds between two looks, when there was nothing left to do or no way to do it."""

    async def run(self) -> None:
        """Until cancelled. While orders or the database is away, every hold stays as it is."""
        while True:
            if not await self._found_many():
                await self.clock.sleep(self.pause)

    async def _found_many(self) -> bool:
        try:
            return await self.free_lapsed_holds() == AT_ONCE
        except (CallError, DatabaseUnavailable, CommitFailed) as error:
            log.warning("holds that ran out are kept for now", reason=str(error))
            return False
