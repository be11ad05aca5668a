"""Orders by themselves: totals to the cent, and no move but those of the contract."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shop_contracts.items import MAX_LINES, MAX_QUANTITY
from shop_contracts.money import Money
from shop_contracts.orders import OrderLine
from shop_contracts.products import MAX_PRICE
from shop_orders.domain import MoveNotAllowed, Status, place, total_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)

lines = st.builds(
    OrderLine,
    product_id=st.text(min_size=1),
    name=st.text(min_size=1),
    quantity=st.integers(1, MAX_QUANTITY),
    price=st.integers(0, MAX_PRICE.minor).map(Money),
)


@given(st.lists(lines, min_size=1, max_size=MAX_LINES))
def test_a_total_is_the_exact_sum_of_its_lines(lines: list[OrderLine]) -> None:
    expected = sum(line.price.minor * line.quantity for line in lines)

    assert expected == total_of(lines).minor


LATER = {
    Status.PENDING: {Status.CONFIRMED, Status.CANCELLED},
    Status.CONFIRMED: {Status.SHIPPED, Status.CANCELLED},
    Status.SHIPPED: {Status.DELIVERED},
    Status.DELIVERED: set[Status](),
    Status.CANCELLED: set[Status](),
}
"""The moves of the contract, written the other way round."""


class LifeOfAnOrder(RuleBasedStateMachine):
    """Any attempt to move an order, in any order, against the table."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.order = place("o1", "ann", [], "EUR", NOW)
        self.seen = [Status.PENDING]

    @rule(status=st.sampled_from(Status))
    def move(self, status: Status) -> None:
        allowed = status in LATER[self.order.status]
        self.now += timedelta(seconds=1)
        if allowed:
            self.order = self.order.moved_to(status, self.now)
            self.seen.append(status)
        else:
            with pytest.raises(MoveNotAllowed) as refused:
                self.order.moved_to(status, self.now)
            assert (self.order, status) == (refused.value.order, refused.value.wanted)

    @precondition(lambda self: self.order.status in (Status.DELIVERED, Status.CANCELLED))
    @rule(status=st.sampled_from(Status))
    def never_leave_a_final_state(self, status: Status) -> None:
        with pytest.raises(MoveNotAllowed):
            self.order.moved_to(status, self.now)

    @invariant()
    def no_state_comes_twice(self) -> None:
        assert len(self.seen) == len({*self.seen})

    @invariant()
    def it_stays_the_same_order(self) -> None:
        assert ("o1", "ann", NOW) == (self.order.id, self.order.user_id, self.order.created_at)


TestLifeOfAnOrder = LifeOfAnOrder.TestCase
