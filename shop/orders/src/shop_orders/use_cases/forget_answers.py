"""Forget what was answered to Idempotency-Keys, once nobody can expect it any more."""

from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.storage import Database
from shop_orders import store
from shop_orders.idempotency import KEPT_FOR

AT_ONCE = 500
"""How many in one transaction, so that no order waits long behind it."""


@dataclass(frozen=True)
class ForgetAnswers:
    database: Database
    clock: Clock

    async def __call__(self) -> int:
        """Forget every answer that is too old; returns how many there were."""
        kept_since = to_millis(self.clock.now() - KEPT_FOR)
        total = 0
        while True:
            forgotten = await self.database.transaction(lambda tx: store.forget_answers(tx, kept_since, AT_ONCE))
            total += forgotten
            if forgotten < AT_ONCE:
                return total
