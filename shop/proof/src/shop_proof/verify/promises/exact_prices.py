"""Promise 6: prices are the product's own at the version of the line, and totals are exact in minor units."""

from shop_contracts.orders import OrderLine
from shop_contracts.products import ReservedLine
from shop_proof.verify.evidence import Book, Case
from shop_proof.verify.promises.promise import Promise, Scene, counted


class ExactPrices(Promise):
    number = 6
    name = "exact prices"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._orders = 0
        self._compared = 0
        self._offers: dict[str, dict[int, tuple[str, int]]] = {}
        """By product and version: the name and the price that it was reserved with."""

    def see_case(self, case: Case) -> None:
        self._note_versions(case)
        if case.order is None:
            return
        self._orders += 1
        total = sum(line.price.minor * line.quantity for line in case.order.lines)
        if case.order.total != total:
            self.broken(
                f"Order {case.order_id}: the lines come to {_money(total)}, and the total is {_money(case.order.total)}"
            )
        reserved = {line.product_id: line for line in case.hold.lines} if case.hold else {}
        for line in case.order.lines:
            if line.product_id in reserved:
                self._see_line(case.order_id, line, reserved[line.product_id])

    def see_book(self, book: Book) -> None:
        if book.article is None:
            return
        for version, offer in self._offers.pop(book.product_id, {}).items():
            if version > book.article.version:
                self.broken(f"{book.name} was reserved at version {version}, and is only at {book.article.version}")
            elif version == book.article.version:
                self._compared += 1
                if offer != (book.article.name, book.article.price):
                    self.broken(
                        f"{book.name} costs {_money(book.article.price)} at version {version}, "
                        f"and was reserved as {offer[0]} for {_money(offer[1])}"
                    )

    def evidence(self) -> str:
        return f"{counted(self._orders, 'total')}, {counted(self._compared, 'price')} as in the catalogue"

    def _see_line(self, order_id: str, line: OrderLine, reserved: ReservedLine) -> None:
        if (line.price, line.name) != (reserved.price, reserved.name):
            self.broken(
                f"Order {order_id} has {line.name} for {line.price}, which products has priced as "
                f"{reserved.name} for {reserved.price}"
            )

    def _note_versions(self, case: Case) -> None:
        for line in case.hold.lines if case.hold else ():
            offers = self._offers.setdefault(line.product_id, {})
            offer = offers.setdefault(line.version, (line.name, line.price.minor))
            if offer != (line.name, line.price.minor):
                self.broken(
                    f"Product {line.product_id} at version {line.version} was reserved for {_money(offer[1])}, "
                    f"and for {line.price}"
                )


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"
