"""In the background: forget answers that are too old to be asked for."""

from dataclasses import dataclass

from atoll.clock import Clock
from atoll.observability.logging import get_logger
from atoll.storage import DatabaseUnavailable
from shop_orders.use_cases.forget_answers import ForgetAnswers

PAUSE = 600.0

log = get_logger()


@dataclass(frozen=True)
class Forgetting:
    forget_answers: ForgetAnswers
    clock: Clock

    async def run(self) -> None:
        """Every `PAUSE` seconds, until cancelled."""
        while True:
            try:
                await self.forget_answers()
            except DatabaseUnavailable as error:
                log.warning("old answers stay for now", reason=str(error))
            await self.clock.sleep(PAUSE)
