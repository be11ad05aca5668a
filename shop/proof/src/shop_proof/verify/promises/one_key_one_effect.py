"""Promise 11: one Idempotency-Key, one order, and the same answer byte for byte however often it is asked for."""

from collections import Counter

from shop_contracts.orders import Order
from shop_proof.verify.evidence import Book
from shop_proof.verify.promises.promise import Promise, Scene, counted
from shop_proof.verify.promises.whole_or_not_at_all import SURELY_KEPT
from shop_proof.verify.records import KeptAnswer, OrderRecord
from shop_proof.verify.testimony import Placing, Testimony


class OneKeyOneEffect(Promise):
    number = 11
    name = "one key, one effect"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._keys = 0
        self._repeats = 0
        self._key_of: dict[str, str] = {}
        """By order: the key that it was made with."""
        self._asked_for: Counter[str] = Counter()
        """By product: what all keys together may have added to its stock."""
        self._only_ours: frozenset[str] = frozenset()
        """Products that nobody else adds to: the clients of the histories have made them for themselves."""

    def see_testimony(self, testimony: Testimony) -> None:
        self._only_ours = frozenset(product.id for product in testimony.new_products)
        for restocking in testimony.restockings.values():
            self._asked_for[restocking.product_id] += restocking.quantity

    def see_book(self, book: Book) -> None:
        asked_for = self._asked_for[book.product_id]
        if book.product_id in self._only_ours and book.restocks > asked_for:
            self.broken(f"{book.name} has had {book.restocks:,} added, and all keys together asked for {asked_for:,}")

    def see_kept_answer(self, kept: KeptAnswer, told: Order | None, order: OrderRecord | None) -> None:
        self._keys += 1
        if told is not None:
            self._note_key(told.id, f"key {kept.key!r} of user {kept.user_id}")

    def see_placing(self, placing: Placing, kept: KeptAnswer | None) -> None:
        accepted = placing.accepted
        self._repeats += len(placing.requests) - 1
        self._see_orders(placing)
        if len({answer.body for answer in accepted}) > 1:
            self.broken(f"The {placing} was answered differently, one time and another")
        if accepted and kept is not None and accepted[0].body.encode() != kept.answer:
            self.broken(f"The {placing} was answered otherwise than what is kept for it")
        if accepted and kept is None and self._should_be_kept(placing):
            self.broken(f"The {placing} was answered, and nothing is kept for it")
        if accepted and any(refusal.position > accepted[0].position for refusal in placing.refusals):
            self.broken(f"The {placing} was answered with an order, and refused later")

    def evidence(self) -> str:
        repeats = f", {counted(self._repeats, 'repeat')}" if self._repeats else ""
        return f"{counted(self._keys, 'key')}{repeats}"

    def _see_orders(self, placing: Placing) -> None:
        ids = {order.id for order in placing.orders}
        if len(ids) > 1:
            self.broken(f"The {placing} has made {len(ids)} orders: {', '.join(sorted(ids))}")
        for order_id in ids:
            self._note_key(order_id, str(placing))

    def _note_key(self, order_id: str, key: str) -> None:
        known = self._key_of.setdefault(order_id, key)
        if known != key:
            self.broken(f"Order {order_id} was made with the {known}, and with the {key}")

    def _should_be_kept(self, placing: Placing) -> bool:
        return any(self.scene.now - order.created_at < SURELY_KEPT for order in placing.orders)
