"""Promise 8: every pending order is confirmed or cancelled once the system is whole again."""

from datetime import timedelta

from shop_proof.verify.evidence import Case
from shop_proof.verify.promises.promise import Promise, counted
from shop_proof.verify.records import OrderRecord

QUIET_WITHIN = timedelta(seconds=30)

_OWED: dict[str, set[str | None]] = {"pending": {"settle"}, "cancelled": {None, "release"}}
"""What products may still have to be told of an order, by its state; nothing, by all others."""


class NothingPending(Promise):
    number = 8
    name = "nothing pending"

    _orders = 0

    def see_case(self, case: Case) -> None:
        if case.order is None:
            return
        self._orders += 1
        if case.order.owed not in _OWED.get(case.order.status, {None}):
            self.broken(f"Order {case.order_id} is {case.order.status}, and nobody will ever {_missing(case.order)}")
        elif case.order.owed is not None:
            self._see_owed(case.order, case.order.owed)

    def evidence(self) -> str:
        return f"{counted(self._orders, 'order')}"

    def _see_owed(self, order: OrderRecord, owed: str) -> None:
        age = self.scene.now - order.updated_at
        sentence = f"Order {order.id} has been {order.status} for {age.total_seconds():.0f} s, its stock still to "
        if not self.scene.system_runs:
            self.undecided(f"{sentence}{owed}; nothing runs that could do it")
        elif age < QUIET_WITHIN:
            self.undecided(f"{sentence}{owed}")
        else:
            self.broken(f"{sentence}{owed}")


def _missing(order: OrderRecord) -> str:
    return "settle it" if order.status == "pending" else f"do what it says: {order.owed}"
