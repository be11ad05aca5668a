"""In the background: forget answers that are too old to be asked for."""

from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.idempotency import kept_answers
from atoll.idempotency.keyed_request import KEPT_FOR
from atoll.observability.logging import get_logger
from atoll.storage import CommitFailed, Database, DatabaseUnavailable

AT_ONCE = 500
"""How many in one transaction, so that nobody waits long behind it."""

PAUSE = 600.0

log = get_logger()


@dataclass(frozen=True)
class Forgetting:
    """A job for each service that keeps answers."""

    database: Database
    clock: Clock

    async def run(self) -> None:
        """Every `PAUSE` seconds, until cancelled."""
        while True:
            try:
                await self.forget()
            except (DatabaseUnavailable, CommitFailed) as error:
                log.warning("old answers stay for now", reason=str(error))
            await self.clock.sleep(PAUSE)

    async def forget(self) -> int:
        """Forget every answer that is too old, `AT_ONCE` at a time; returns how many. Writes only if there is one."""
        kept_since = to_millis(self.clock.now() - KEPT_FOR)
        total = 0
        while await self.database.read(lambda reading: kept_answers.has_any(reading, kept_since)):
            total += await self.database.transaction(lambda tx: kept_answers.forget(tx, kept_since, AT_ONCE))
        return total
