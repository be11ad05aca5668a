"""Promise 10: a call without an answer is all there, or not there at all."""

from datetime import timedelta

from shop_contracts.orders import Order
from shop_proof.verify.evidence import Case
from shop_proof.verify.promises.answered_means_durable import differences
from shop_proof.verify.promises.promise import Promise, Scene, counted
from shop_proof.verify.records import KeptAnswer, OrderRecord
from shop_proof.verify.testimony import Placing, Testimony

SURELY_KEPT = timedelta(hours=23)
"""Answers to keys are kept 24 hours; an order as old as this has its answer still."""


class WholeOrNotAtAll(Promise):
    number = 10
    name = "whole or not at all"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._kept = 0
        self._there = 0
        self._not_there = 0
        self._only_with_keys: frozenset[str] = frozenset()
        """Users whose every order was placed with a key: the clients of the histories have made them for themselves."""
        self._unexplained: set[str] = set()
        """Their orders for which no answer was seen that is kept."""

    def see_testimony(self, testimony: Testimony) -> None:
        self._only_with_keys = frozenset(user.id for user in testimony.users)

    def see_case(self, case: Case) -> None:
        order = case.order
        if order and order.user_id in self._only_with_keys and self.scene.now - order.created_at < SURELY_KEPT:
            self._unexplained.add(order.id)

    def see_kept_answer(self, kept: KeptAnswer, told: Order | None, order: OrderRecord | None) -> None:
        self._kept += 1
        if told is None:
            self.broken(f"What is kept for the key {kept.key!r} of user {kept.user_id} is no order")
        elif order is None:
            self.broken(f"Order {told.id} is kept as the answer to the key {kept.key!r}, and is not there")
        else:
            self._unexplained.discard(order.id)
            for field in differences(told, order):
                self.broken(f"Order {order.id} is kept as an answer with another {field} than it has")

    def see_placing(self, placing: Placing, kept: KeptAnswer | None) -> None:
        if placing.was_never_answered:
            self._there += kept is not None
            self._not_there += kept is None

    def conclude(self) -> None:
        for order_id in sorted(self._unexplained):
            self.broken(f"Order {order_id} is there, and the key it was placed with is not")

    def evidence(self) -> str:
        calls = self._there + self._not_there
        unanswered = f", {calls:,} never answered ({self._there:,} there, {self._not_there:,} not)" if calls else ""
        return f"{counted(self._kept, 'kept answer')}{unanswered}"
