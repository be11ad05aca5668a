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
        self._see_stock(case)
        if case.order is not None:
            self._see_changes(case.order)
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

    def _see_changes(self, order: OrderRecord) -> None:
        self._changes += len(order.changes)
        for before, after in pairwise(order.changes):
            if after not in NEXT.get(before, set()):
                self.broken(f"Order {order.id} went from {before} to {after}")
        if len(order.changes) != order.last:
            self.broken(f"Order {order.id} has come to states that nobody has written down")
        noted = order.changes[-1] if order.changes else None
        if noted != order.status:
            self.broken(f"Order {order.id} is {order.status}, and the last that was noted is {noted}")

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
