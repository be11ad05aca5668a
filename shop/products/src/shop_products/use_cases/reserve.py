"""Hold all the lines of an order at today's prices, or none of them.

Orders that are placed at the same moment are asked for in one call, and nearly always held in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from atoll.clock import Clock, from_millis, to_millis
from atoll.problems import Problem
from atoll.storage import ConstraintViolated, Database, Transaction
from shop_contracts.products import NewReservation, Reservation
from shop_products.contention import Overtaken, settle_contention
from shop_products.domain import ReservationReleased, has_run_out, lines_of_all, priced_lines, refuse_other_items
from shop_products.store import catalogue, reservations, stock


@dataclass(frozen=True)
class Reserve:
    database: Database
    clock: Clock
    hold_for: timedelta

    async def __call__(self, wanted: NewReservation) -> Reservation:
        """The hold; for an order that has one with the same items, that one, made longer when it had run out.

        Raises `ProductNotFound`, `InsufficientStock`, `ItemsDiffer` or `ReservationReleased`. A refusal leaves
        nothing behind: the order may try again. What is wanted is taken as if for the first time, which it nearly
        always is; whatever stands in the way, it is looked what there is.
        """

        async def reserve(tx: Transaction) -> Reservation:
            try:
                return await self._take(tx, wanted)
            except (Overtaken, Problem):
                known = await reservations.find(tx, wanted.order_id)
                if known is None:
                    raise
            return await self._again(tx, known, wanted)

        return await settle_contention(self.database, reserve)

    async def all(self, wanted: Sequence[NewReservation]) -> Sequence[Reservation] | None:
        """Hold the lines of all of them, in one transaction, when each is new and there is enough for all together.

        None, and nothing held, when anything stands in the way of any of them: then each is asked for by itself.
        """
        try:
            return await self.database.transaction(lambda tx: self._take_all(tx, wanted))
        except (Problem, ConstraintViolated):
            return None

    async def _take_all(self, tx: Transaction, wanted: Sequence[NewReservation]) -> Sequence[Reservation]:
        now = to_millis(self.clock.now())
        expires_at = from_millis(self._end(now))
        offers = await catalogue.offers(tx, list({item.product_id: None for each in wanted for item in each.items}))
        holds = [
            Reservation(order_id=each.order_id, state="held", items=lines, expires_at=expires_at)
            for each, lines in zip(wanted, lines_of_all(wanted, offers), strict=True)
        ]
        await reservations.hold_many(tx, holds, now)
        await stock.take(tx, holds, now)
        return holds

    async def _again(self, tx: Transaction, known: Reservation, wanted: NewReservation) -> Reservation:
        if known.state == "released":
            raise ReservationReleased(known.order_id)
        refuse_other_items(known, wanted.items)
        if known.state == "expired":
            return await self._take(tx, wanted, anew=True)
        if known.state == "held" and has_run_out(known, self.clock.now()):
            return await self._extend(tx, known)
        return known

    async def _take(self, tx: Transaction, wanted: NewReservation, *, anew: bool = False) -> Reservation:
        now = to_millis(self.clock.now())
        offers = await catalogue.offers(tx, [item.product_id for item in wanted.items])
        lines = priced_lines(wanted.items, offers)
        hold = Reservation(order_id=wanted.order_id, state="held", items=lines, expires_at=from_millis(self._end(now)))
        if not await reservations.hold(tx, hold, now, anew=anew):
            raise Overtaken
        await stock.take(tx, [hold], now)
        return hold

    async def _extend(self, tx: Transaction, hold: Reservation) -> Reservation:
        now = to_millis(self.clock.now())
        longer = msgspec.structs.replace(hold, expires_at=from_millis(self._end(now)))
        if not await reservations.extend(tx, hold.order_id, longer.expires_at, now):
            raise Overtaken
        return longer

    def _end(self, now: int) -> int:
        return now + self.hold_for // timedelta(milliseconds=1)
