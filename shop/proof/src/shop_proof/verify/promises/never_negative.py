"""Promise 2: stock is never below zero, at any moment that the ledger tells of."""

from shop_proof.verify.evidence import Book
from shop_proof.verify.promises.promise import Promise, counted


class NeverNegative(Promise):
    number = 2
    name = "never negative"

    _moments = 0

    def see_book(self, book: Book) -> None:
        self._moments += book.rows
        if book.lowest is not None and book.lowest < 0:
            self.broken(f"{book.name}: after one of its {book.rows:,} ledger rows there were {book.lowest:,}")
        if book.article and book.article.available is not None and book.article.available < 0:
            self.broken(f"{book.name}: the stock is {book.article.available:,}")

    def evidence(self) -> str:
        return f"after each of {counted(self._moments, 'ledger row')}"
