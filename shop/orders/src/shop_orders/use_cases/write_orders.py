"""Write down orders whose stock is held: order, event, and the answer to its Idempotency-Key, in one transaction.

Those that are placed at the same moment share it. When anything stands in the way of one of them (a key or an order
that is there already, a buyer who is gone, a hold that is about to end), each is written by itself, and told its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import NamedTuple

from atoll.clock import Clock
from atoll.events import Event, Outbox
from atoll.idempotency import KeptAnswer, KeyedRequest, kept_answers
from atoll.storage import Database, Transaction
from atoll.storage.together import Together
from shop_contracts.events import OrderCreated
from shop_contracts.products import Reservation
from shop_orders.domain import AccountDeleted, ProductsUnavailable
from shop_orders.store import buyers, orders
from shop_orders.store.orders import NewRow

COMMIT_MARGIN = timedelta(seconds=5)
"""An order is committed at the latest so long before its hold ends: a commit takes its time, and clocks differ."""


class Placement(NamedTuple):
    """Everything that is written of a new order. `answer` is what its buyer will be told; `request` its key, if any."""

    row: NewRow
    event: Event[OrderCreated]
    hold: Reservation
    answer: bytes
    request: KeyedRequest | None


@dataclass(frozen=True)
class WriteOrders:
    database: Database
    outbox: Outbox
    clock: Clock

    async def __call__(self, placement: Placement) -> bytes:
        """The answer, once the order is durable; the one that was given before, if its key has one.

        Raises `ProductsUnavailable`, `AccountDeleted`, or `UniqueViolated` for an order that is there already.
        """
        return await self._together.write(placement)

    @cached_property
    def _together(self) -> Together[Placement, bytes]:
        return Together(self.database, one=self._write_one, many=self._write_all)

    async def _write_all(self, tx: Transaction, placements: Sequence[Placement]) -> Sequence[bytes]:
        in_order = sorted(placements, key=lambda each: each.row.id)  # the same for all: nobody waits for each other
        for placement in in_order:
            self._refuse_late(placement.hold)
        if await buyers.some_deleted(tx, {placement.row.user_id for placement in in_order}):
            raise AccountDeleted
        await kept_answers.keep_new(tx, _answers(in_order))
        await orders.add_many(tx, [placement.row for placement in in_order])
        await self.outbox.add(tx, *(placement.event for placement in in_order))
        return [placement.answer for placement in placements]

    async def _write_one(self, tx: Transaction, placement: Placement) -> bytes:
        self._refuse_late(placement.hold)
        request, answer = placement.request, placement.answer
        if request is not None and not await kept_answers.keep(tx, request, KeptAnswer(answer)):
            return await _kept_by_twin(tx, request)
        if not await orders.add(tx, placement.row):
            raise AccountDeleted
        await self.outbox.add(tx, placement.event)
        return answer

    def _refuse_late(self, hold: Reservation) -> None:
        """No order on a hold that may be gone by the time it is durable; the next attempt gets a longer one."""
        left = hold.expires_at - self.clock.now()
        if hold.state == "held" and left < COMMIT_MARGIN:
            raise ProductsUnavailable(retry_after=max(1, round(left.total_seconds()) + 1))


def _answers(placements: Iterable[Placement]) -> list[tuple[KeyedRequest, KeptAnswer]]:
    return [(each.request, KeptAnswer(each.answer)) for each in placements if each.request is not None]


async def _kept_by_twin(tx: Transaction, request: KeyedRequest) -> bytes:
    kept = await kept_answers.find(tx, request)
    if kept is None:
        raise ProductsUnavailable
    return kept.body
