"""In the background: look after the token keys."""

from dataclasses import dataclass

from atoll.clock import Clock
from atoll.observability.logging import get_logger
from atoll.storage import CommitFailed, DatabaseUnavailable
from shop_users.use_cases.tend_keys import TendKeys

PAUSE = 300.0
"""Seconds between two looks; what is due may wait that long."""

log = get_logger()


@dataclass(frozen=True)
class Tending:
    tend_keys: TendKeys
    clock: Clock

    async def run(self) -> None:
        """Every `PAUSE` seconds, until cancelled."""
        while True:
            await self.clock.sleep(PAUSE)
            try:
                await self.tend_keys()
            except (DatabaseUnavailable, CommitFailed) as error:
                log.warning("token keys stay as they are for now", reason=str(error))
