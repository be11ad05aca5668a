"""Promise 9: what was answered with 2xx is there, as it was answered."""

from collections import Counter
from collections.abc import Iterator

from shop_contracts.orders import Order
from shop_contracts.products import Product
from shop_contracts.users import User
from shop_proof.verify.evidence import Book, Case
from shop_proof.verify.promises.promise import Outcome, Promise, Scene, counted
from shop_proof.verify.records import Account, OrderRecord
from shop_proof.verify.testimony import Testimony

NO_HISTORY = "what clients were answered; give it with --history"


class AnsweredMeansDurable(Promise):
    number = 9
    name = "answered means durable"
    not_visible = "that fsync comes before the answer is shown by atoll/tests/storage/test_sqlite.py"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._has_history = False
        self._answers = 0
        self._new_products: dict[str, Product] = {}
        self._restocked: Counter[str] = Counter()
        """By product: what clients were told was added."""

    def see_testimony(self, testimony: Testimony) -> None:
        self._has_history = testimony.is_there
        self._new_products = {product.id: product for product in testimony.new_products}
        for restocking in testimony.restockings.values():
            self._restocked[restocking.product_id] += restocking.quantity * restocking.was_answered
        for sentence in testimony.unreadable:
            self.broken(sentence)

    def see_case(self, case: Case) -> None:
        self._answers += len(case.sightings)
        if case.sightings and case.order is None:
            self.broken(f"Order {case.order_id} was answered, and is not there")
        elif case.order is not None:
            self._see_order(case, case.order)

    def see_book(self, book: Book) -> None:
        told = self._new_products.get(book.product_id)
        if told is None:
            return
        self._answers += 1
        if book.article is None:
            self.broken(f"Product {told.id} was answered, and is not there")
        elif book.first_stock != told.stock:
            self.broken(f"{book.name} was answered with {told.stock:,} in stock, and began with {book.first_stock:,}")
        elif book.restocks < self._restocked[told.id]:
            self.broken(
                f"{book.name} was answered with {self._restocked[told.id]:,} added, and has had {book.restocks:,}"
            )

    def see_user(self, told: User, account: Account | None) -> None:
        self._answers += 1
        if account is None:
            self.broken(f"User {told.id} was answered, and is not there")
        elif (account.name, account.email) != (told.name, told.email):
            self.broken(f"User {told.id} was answered as {told.name}, {told.email}, and is another now")

    def evidence(self) -> str:
        return f"{counted(self._answers, 'answer')} found" if self._has_history else ""

    def outcome(self) -> Outcome:
        return super().outcome() if self._has_history else Outcome.NOT_VISIBLE

    def unseen(self) -> str:
        return super().unseen() if self._has_history else NO_HISTORY

    def _see_order(self, case: Case, order: OrderRecord) -> None:
        for sighting in case.sightings:
            for field in differences(sighting.order, order):
                self.broken(f"Order {order.id} was answered with another {field} than it has")
            if sighting.on == "cancelling" and order.status != "cancelled":
                self.broken(f"Order {order.id} was answered as cancelled, and is {order.status}")
        told = min((sighting.told for sighting in case.sightings), default=None)
        if told is not None and any(miss > told for miss in case.misses):
            self.broken(f"Order {order.id} was answered, and later answered as not there")


def differences(told: Order, order: OrderRecord) -> Iterator[str]:
    """The names of what an order was told with and never changes, where it is another."""
    pairs = {
        "userId": (told.user_id, order.user_id),
        "list of items": (told.items, order.lines),
        "totalAmount": (told.total_amount.minor, order.total),
        "currency": (told.currency, order.currency),
        "createdAt": (told.created_at, order.created_at),
    }
    return (name for name, (then, now) in pairs.items() if then != now)
