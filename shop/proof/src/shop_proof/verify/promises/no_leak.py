"""Promise 4: stock is with the order that has it, or free: none is lost, and none is sold again."""

from shop_proof.verify.evidence import Case
from shop_proof.verify.promises.promise import Promise, counted
from shop_proof.verify.records import Hold, OrderRecord

_RIGHT_STATES = {
    "pending": {"held", "settled"},
    "confirmed": {"settled"},
    "shipped": {"settled"},
    "delivered": {"settled"},
    "cancelled": {"released"},
}
"""The states that the reservation of an order may be in, by the order's."""


class NoLeak(Promise):
    number = 4
    name = "no leak, no resale"

    _holds = 0

    def see_case(self, case: Case) -> None:
        self._holds += case.hold is not None
        if case.hold is None:
            self._see_no_hold(case)
        elif case.order is not None:
            self._see_order(case, case.order, case.hold)
        elif case.hold.state == "settled":
            self.broken(f"Stock is settled for {case.order_id}, which is no order")
        if case.hold is not None and case.keeps_stock != (case.hold.state in ("held", "settled")):
            self.broken(
                f"The reservation of {case.order_id} is {case.hold.state}, and its stock is "
                f"{'still taken' if case.keeps_stock else 'not taken'}"
            )

    def evidence(self) -> str:
        return counted(self._holds, "reservation")

    def _see_no_hold(self, case: Case) -> None:
        if case.order is not None:
            self.broken(f"Order {case.order_id} is {case.order.status}, and there is no reservation for it")
        elif case.moves:
            self.broken(f"Stock was moved for {case.order_id}, which is no order and no reservation")

    def _see_order(self, case: Case, order: OrderRecord, hold: Hold) -> None:
        if case.episodes and case.episodes[-1].cause == "expired":
            self.broken(f"Order {order.id} is {order.status}, and its hold was freed as if there were no such order")
        elif hold.state not in _RIGHT_STATES.get(order.status, set()):
            self._see_wrong_state(order, hold)
        if order.created_at > hold.expires_at:
            self.broken(f"Order {order.id} was placed {order.created_at - hold.expires_at} after its hold had ended")

    def _see_wrong_state(self, order: OrderRecord, hold: Hold) -> None:
        """A cancelled order has its stock until products has heard of it."""
        sentence = f"Order {order.id} is {order.status}, and its reservation is {hold.state}"
        if order.status == "cancelled" and hold.state in ("held", "settled") and not self.scene.is_quiet:
            self.undecided(sentence)
        else:
            self.broken(sentence)
