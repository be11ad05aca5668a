"""End the holds that ran out, when orders says that no such order exists.

A hold whose order exists is settled, as it is by the event that is still on its way. While orders can't be asked, every
hold stays: neither side guesses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from atoll.calls import UpstreamProblem
from atoll.clock import Clock, to_millis
from atoll.observability.logging import get_logger
from atoll.storage import Database, Transaction
from shop_contracts.products import Reservation
from shop_products.domain import StockCause
from shop_products.store import reservations, stock
from shop_products.use_cases.settle_orders import Placed, SettleOrders

GRACE = timedelta(seconds=10)
"""How long after its end a hold is first asked about: clocks differ, and a commit takes its time."""

AT_ONCE = 100

log = get_logger()


class Orders(Protocol):
    """What this needs to know of orders."""

    async def exists(self, order_id: str) -> bool:
        """Whether there is such an order, whatever its state; raises `CallError` when that cannot be known."""


@dataclass(frozen=True)
class FreeLapsedHolds:
    database: Database
    orders: Orders
    settle_orders: SettleOrders
    clock: Clock

    async def __call__(self) -> int:
        """Decide up to `AT_ONCE` holds; returns how many. Raises `CallError` while orders can't be asked."""
        lapsed = await self._lapsed()
        for hold in lapsed:
            await self._decide(hold)
        return len(lapsed)

    async def _lapsed(self) -> Sequence[Reservation]:
        before = self.clock.now() - GRACE
        return await self.database.read(lambda reading: reservations.run_out(reading, before, AT_ONCE))

    async def _decide(self, hold: Reservation) -> None:
        try:
            is_placed = await self.orders.exists(hold.order_id)
        except UpstreamProblem as problem:
            if problem.is_passing:  # with any other error only this one has to wait
                raise
            log.warning("orders cannot say whether there is an order", order_id=hold.order_id, reason=str(problem))
            return
        if is_placed:
            await self.database.transaction(lambda tx: self.settle_orders(tx, [Placed(hold.order_id)]))
        else:
            await self._free(hold)

    async def _free(self, hold: Reservation) -> None:
        now = to_millis(self.clock.now())

        async def free(tx: Transaction) -> None:
            if await reservations.expire(tx, hold, now):
                await stock.give_back(tx, {hold.order_id: hold.items}, StockCause.EXPIRED, now)

        await self.database.transaction(free)
