"""Promise 8: every pending order is confirmed or cancelled once the system is whole again."""

from datetime import timedelta

from shop_proof.verify.evidence import Case
from shop_proof.verify.promises.promise import Promise, counted
from shop_proof.verify.records import OrderRecord

QUIET_WITHIN = timedelta(seconds=30)


class NothingPending(Promise):
    number = 8
    name = "nothing pending"

    _orders = 0

    def see_case(self, case: Case) -> None:
        if case.order is None:
            return
        self._orders += 1
        if case.order.status == "pending":
            self._see_pending(case.order)

    def evidence(self) -> str:
        return f"{counted(self._orders, 'order')}"

    def _see_pending(self, order: OrderRecord) -> None:
        age = self.scene.now - order.updated_at
        sentence = f"Order {order.id} has been pending for {age.total_seconds():.0f} s"
        if not self.scene.system_runs:
            self.undecided(f"{sentence}; nothing runs that could decide it")
        elif age < QUIET_WITHIN:
            self.undecided(sentence)
        else:
            self.broken(sentence)
