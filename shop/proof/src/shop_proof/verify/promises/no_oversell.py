"""Promise 3: what is sold was there; who was refused has nothing, and was refused because there was too little."""

from shop_contracts.items import Item
from shop_proof.verify.evidence import Book
from shop_proof.verify.promises.promise import Promise, Scene, counted
from shop_proof.verify.records import KeptAnswer
from shop_proof.verify.testimony import Placing, Testimony, short_items


class NoOversell(Promise):
    number = 3
    name = "no oversell"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._sold = 0
        self._refused = 0
        self._least_refused: dict[str, int] = {}
        """By product: the smallest quantity of which somebody was told that there was not enough."""

    def see_testimony(self, testimony: Testimony) -> None:
        for placing in testimony.placings.values():
            for refusal in placing.refusals:
                self._refused += 1
                self._note_short(short_items(refusal, placing.items))

    def see_book(self, book: Book) -> None:
        self._sold += book.in_orders
        if book.in_orders > book.supply:
            self.broken(f"{book.name}: orders have {book.in_orders:,}, and there were only {book.supply:,}")
        refused = self._least_refused.get(book.product_id)
        if refused is not None and book.lowest is not None and book.lowest >= refused:
            self.broken(f"{book.name}: {refused:,} were refused, and there were never fewer than {book.lowest:,}")

    def see_placing(self, placing: Placing, kept: KeptAnswer | None) -> None:
        if kept is not None and placing.refusals and not placing.accepted:
            status = placing.refusals[-1].status
            self.broken(f"The {placing} was answered {status}, and an order was made all the same")

    def evidence(self) -> str:
        refused = f", {counted(self._refused, 'refusal')}" if self._refused else ""
        return f"{counted(self._sold, 'unit')} sold{refused}"

    def _note_short(self, items: list[Item]) -> None:
        for item in items:
            known = self._least_refused.get(item.product_id, item.quantity)
            self._least_refused[item.product_id] = min(known, item.quantity)
