"""Promise 7: only the moves of the contract, and one final move of the stock for each reservation.

pending ──► confirmed ──► shipped ──► delivered
   └────────────┴──► cancelled
"""

from itertools import pairwise

from shop_proof.verify.evidence import GIVEN_BACK, Case
from shop_proof.verify.promises.promise import Promise, counted
from shop_proof.verify.records import OrderRecord
from shop_proof.verify.testimony import Sighting

LATER = {
    "pending": {"pending", "confirmed", "shipped", "delivered", "cancelled"},
    "confirmed": {"confirmed", "shipped", "delivered", "cancelled"},
    "shipped": {"shipped", "delivered"},
    "delivered": {"delivered"},
    "cancelled": {"cancelled"},
}
"""What an order in a state may be later, by that state."""


NEXT = {
    "pending": {"confirmed", "cancelled"},
    "confirmed": {"shipped", "cancelled"},
    "shipped": {"delivered"},
}
"""The states that follow one, by that state."""


class LegalMoves(Promise):
    number = 7
    name = "legal moves"

    _reservations = 0
    _changes = 0
    _sightings = 0

    def see_case(self, case: Case) -> None:
        self._reservations += case.hold is not None
        self._changes += len(case.changes)
        self._see_stock(case)
        self._see_changes(case)
        if case.order is not None:
            self._see_order(case.order, [sighting for sighting in case.sightings if sighting.on != "placing"])

    def evidence(self) -> str:
        seen = f", {self._sightings:,} seen by clients" if self._sightings else ""
        return f"{counted(self._changes, 'state')} of orders, {counted(self._reservations, 'reservation')}{seen}"

    def _see_stock(self, case: Case) -> None:
        is_taken = was_released = False
        for episode in case.episodes:
            if episode.takes == is_taken:
                self.broken(f"The stock of {case.order_id} was {'taken' if is_taken else 'given back'} twice")
            elif was_released:
                self.broken(f"The stock of {case.order_id} was taken after it had been released for good")
            is_taken = episode.takes
            was_released = was_released or episode.cause == "released"
            if not episode.takes and episode.cause not in GIVEN_BACK:
                self.broken(f"The stock of {case.order_id} was moved by {episode.cause!r}")

    def _see_changes(self, case: Case) -> None:
        for before, after in pairwise(case.changes):
            if after.status not in NEXT.get(before.status, set()):
                self.broken(f"Order {case.order_id} went from {before.status} to {after.status}")
        if [change.sequence for change in case.changes] != [*range(1, len(case.changes) + 1)]:
            self.broken(f"Order {case.order_id} has come to states that nobody has written down")
        last = case.changes[-1].status if case.changes else None
        now = case.order.status if case.order else None
        if last != now:
            self.broken(f"Order {case.order_id} is {now or 'not there'}, and the last that was noted is {last}")

    def _see_order(self, order: OrderRecord, sightings: list[Sighting]) -> None:
        if order.status not in LATER:
            self.broken(f"Order {order.id} is in the state {order.status!r}, which there is not")
            return
        if order.updated_at < order.created_at:
            self.broken(f"Order {order.id} was changed before it was placed")
        for index, sighting in enumerate(sightings):
            self._sightings += 1
            self._see_step(order.id, sighting.order.status, order.status)
            for earlier in sightings[:index]:
                if earlier.told < sighting.asked:
                    self._see_step(order.id, earlier.order.status, sighting.order.status)

    def _see_step(self, order_id: str, before: str, after: str) -> None:
        if after not in LATER[before]:
            self.broken(f"Order {order_id} was {before}, and later {after}")
