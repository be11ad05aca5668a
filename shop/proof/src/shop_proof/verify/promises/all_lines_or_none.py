"""Promise 5: an order has all the lines that were asked for, and each was taken, and given back, with the others."""

from shop_proof.verify.evidence import Case, Episode
from shop_proof.verify.promises.promise import Promise, counted
from shop_proof.verify.records import KeptAnswer
from shop_proof.verify.testimony import Placing


class AllLinesOrNone(Promise):
    number = 5
    name = "all lines or none"
    not_visible = "that orders never wait for each other is shown by tests/end_to_end/test_orders.py"

    _orders = 0
    _lines = 0

    def see_case(self, case: Case) -> None:
        self._orders += case.order is not None
        self._lines += len(case.ordered)
        if case.order and case.hold and case.ordered != case.held:
            self.broken(f"Order {case.order_id} has {_said(case.ordered)}; {_said(case.held)} is reserved for it")
        self._see_episodes(case)

    def see_placing(self, placing: Placing, kept: KeptAnswer | None) -> None:
        wanted = {item.product_id: item.quantity for item in placing.items}
        for order in placing.orders[:1]:
            got = {line.product_id: line.quantity for line in order.items}
            if got != wanted:
                self.broken(f"The {placing} asked for {_said(wanted)}, and got {_said(got)}")

    def evidence(self) -> str:
        return f"{counted(self._orders, 'order')}, {counted(self._lines, 'line')}"

    def _see_episodes(self, case: Case) -> None:
        taken: Episode | None = None
        for episode in case.episodes:
            if episode.takes:
                taken = episode
            elif taken is not None and taken.quantities != episode.quantities:
                self.broken(
                    f"For {case.order_id} were taken {_said(taken.quantities)}, "
                    f"and given back {_said(episode.quantities)}"
                )
        if case.held and case.keeps_stock and case.episodes[-1].quantities != case.held:
            self.broken(
                f"For {case.order_id} are reserved {_said(case.held)}, and {_said(case.episodes[-1].quantities)} taken"
            )


def _said(quantities: dict[str, int]) -> str:
    return ", ".join(f"{quantity} of {product_id}" for product_id, quantity in sorted(quantities.items())) or "nothing"
