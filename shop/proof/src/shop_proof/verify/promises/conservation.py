"""Promise 1: first stock + restocks - what orders have = stock = the ledger's sum, and nothing is still held."""

from datetime import timedelta

from shop_proof.verify.evidence import Book, Case
from shop_proof.verify.promises.promise import Promise, counted

PATIENCE = timedelta(minutes=1)
"""How long after its end a hold may be there: products asks for it only so often, and first lets clocks differ."""


class Conservation(Promise):
    number = 1
    name = "conservation"

    _products = 0
    _rows = 0

    def see_case(self, case: Case) -> None:
        if case.hold is None or case.hold.state != "held" or case.order is not None:
            return
        if self.scene.now > case.hold.expires_at + PATIENCE:
            self.broken(f"Stock is held for {case.order_id}, which is no order, since its hold ended {_ended(case)}")
        else:
            self.undecided(f"Stock is held for {case.order_id}, which is no order yet; the hold ends {_ended(case)}")

    def see_book(self, book: Book) -> None:
        self._products += 1
        self._rows += book.rows
        if book.article is None or book.article.available is None:
            self.broken(f"{book.name} has a ledger or orders, and no stock")
            return
        available = book.article.available
        if book.total != available:
            self.broken(f"{book.name}: the stock is {available:,}, and its ledger adds up to {book.total:,}")
        if book.supply - book.in_orders - book.on_hold != available:
            self.broken(
                f"{book.name}: {book.first_stock:,} at first + {book.restocks:,} added since - {book.in_orders:,} in "
                f"orders - {book.on_hold:,} still held is not the stock of {available:,}"
            )

    def evidence(self) -> str:
        return f"{counted(self._products, 'product')}, {counted(self._rows, 'ledger row')}"


def _ended(case: Case) -> str:
    return f"at {case.hold.expires_at:%H:%M:%S} UTC" if case.hold else ""
