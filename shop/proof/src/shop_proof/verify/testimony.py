"""What clients asked for and were told, sorted by what it is about."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

import msgspec

from atoll import wire
from atoll.problems import Problem, ProblemDetails
from shop_contracts.items import Item
from shop_contracts.orders import NewOrder, Order
from shop_contracts.products import Product, StockChange
from shop_contracts.users import User
from shop_proof.history import Answer, History, Request

T = TypeVar("T")

MAY_CHANGE_LATER = frozenset((409, 429))
"""Refusals that say nothing of what the same request comes to later: it still runs, or there were too many."""

Occasion: TypeAlias = Literal["placing", "reading", "cancelling"]

_ORDER = re.compile(r"/api/orders/([^/?]+)")
_CANCEL = re.compile(r"/api/orders/([^/?]+)/cancel")
_STOCK = re.compile(r"/api/products/([^/?]+)/stock")
_PRODUCT = re.compile(r"/api/products/([^/?]+)")


@dataclass(frozen=True, slots=True)
class Sighting:
    """An order as a client was told of it: asked at `asked`, told at `told`, both positions in the history.

    An answer to placing it tells how it was at first, whenever it comes.
    """

    order: Order
    asked: int
    told: int
    on: Occasion


@dataclass(slots=True)
class Placing:
    """All requests of one user to place an order with one key, in the order in which they were sent."""

    user_id: str
    key: str
    requests: list[Request] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    """What it was answered with, each time that it was."""

    @property
    def answers(self) -> list[Answer]:
        return [request.answer for request in self.requests if request.answer is not None]

    @property
    def accepted(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.is_success]

    @property
    def refusals(self) -> list[Answer]:
        """Answers that say that there is no order, and will be none."""
        return [answer for answer in self.answers if _is_final_refusal(answer.status)]

    @property
    def was_never_answered(self) -> bool:
        return not self.answers

    @property
    def items(self) -> tuple[Item, ...]:
        """What was asked for; empty when that cannot be read."""
        wanted = _read(_read_new_order, self.requests[0].body)
        return wanted.items if wanted else ()

    def __str__(self) -> str:
        return f"key {self.key!r} of user {self.user_id}"


@dataclass(slots=True)
class Restocking:
    """All requests of one key to change the stock of a product by `quantity`."""

    product_id: str
    quantity: int
    was_answered: bool = False


@dataclass(slots=True)
class Testimony:
    """All that the clients have to say."""

    placings: dict[tuple[str, str], Placing] = field(default_factory=dict)
    sightings: dict[str, list[Sighting]] = field(default_factory=lambda: defaultdict(list))
    """By order, in the order in which they were asked for."""
    misses: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By order: when clients asked for it and were told that there is none."""
    users: list[User] = field(default_factory=list)
    new_products: list[Product] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    restockings: dict[tuple[str, str], Restocking] = field(default_factory=dict)
    """By user and key."""
    unreadable: list[str] = field(default_factory=list)
    """Sentences about answers of 2xx that hold nothing of what was promised."""
    requests: int = 0
    unanswered: int = 0

    @property
    def is_there(self) -> bool:
        """Whether any client has said anything."""
        return self.requests > 0


def heard(history: History) -> Testimony:
    """The histories' requests, sorted."""
    testimony = Testimony(requests=len(history.requests), unanswered=history.unanswered)
    for request in history.requests:
        _hear(testimony, request)
    return testimony


def short_items(answer: Answer, items: Sequence[Item]) -> list[Item]:
    """The items that a refusal calls short; empty when it was for another reason."""
    problem = _read(_read_problem, answer.body)
    if problem is None or not problem.type.endswith("/insufficient-stock"):
        return []
    pointers = {mistake.pointer for mistake in problem.errors}
    return [item for index, item in enumerate(items) if f"/items/{index}/quantity" in pointers]


def read_order(body: str) -> Order | None:
    """The order that an answer holds; None when it holds none."""
    return _read(_read_order, body)


def _hear(testimony: Testimony, request: Request) -> None:
    path, answer = request.path, request.answer
    if (request.method, path) == ("POST", "/api/orders") and request.key:
        placing = testimony.placings.setdefault((request.by, request.key), Placing(request.by, request.key))
        placing.requests.append(request)
    restocked = _STOCK.fullmatch(path)
    if restocked and request.method == "PATCH" and request.key:
        _hear_restocking(testimony, request, restocked[1])
    if answer is None:
        return
    found = _ORDER.fullmatch(path) or _CANCEL.fullmatch(path)
    if found and answer.status == 404:
        testimony.misses[found[1]].append(request.position)
    if answer.is_success:
        _believe(testimony, request, answer)


def _hear_restocking(testimony: Testimony, request: Request, product_id: str) -> None:
    change = _read(_read_stock_change, request.body)
    if change is not None:
        new = Restocking(product_id, change.quantity)
        restocking = testimony.restockings.setdefault((request.by, request.key), new)
        restocking.was_answered |= request.answer is not None and request.answer.is_success


def _believe(testimony: Testimony, request: Request, answer: Answer) -> None:
    """Take down what an answer of 2xx says."""
    path = request.path
    occasion = _occasion(request)
    if occasion is not None:
        order = _expect(testimony, request, answer, _read_order, "order")
        if order is not None:
            testimony.sightings[order.id].append(Sighting(order, request.position, answer.position, occasion))
            if occasion == "placing" and request.key:
                testimony.placings[request.by, request.key].orders.append(order)
    elif (request.method, path) == ("POST", "/api/users"):
        user = _expect(testimony, request, answer, _read_user, "user")
        testimony.users += [user] if user else []
    elif (request.method, path) == ("POST", "/api/products"):
        testimony.new_products += _expect(testimony, request, answer, _read_products, "products") or []
    elif _PRODUCT.fullmatch(path):
        product = _expect(testimony, request, answer, _read_product, "product")
        testimony.products += [product] if product else []


def _occasion(request: Request) -> Occasion | None:
    """How an order comes into it; None when none does."""
    if (request.method, request.path) == ("POST", "/api/orders"):
        return "placing"
    if request.method == "GET" and _ORDER.fullmatch(request.path):
        return "reading"
    return "cancelling" if _CANCEL.fullmatch(request.path) else None


def _expect(testimony: Testimony, request: Request, answer: Answer, read: Callable[[bytes], T], what: str) -> T | None:
    value = _read(read, answer.body)
    if value is None:
        testimony.unreadable.append(
            f"{request.method} {request.path} was answered {answer.status} with something that is no {what}"
        )
    return value


def _is_final_refusal(status: int) -> bool:
    return 400 <= status < 500 and status not in MAY_CHANGE_LATER


def _read(decode: Callable[[bytes], T], text: str) -> T | None:
    try:
        return decode(text.encode())
    except (Problem, msgspec.MsgspecError):
        return None


_read_order = wire.decoder(Order).decode
_read_new_order = wire.decoder(NewOrder).decode
_read_stock_change = wire.decoder(StockChange).decode
_read_user = wire.decoder(User).decode
_read_product = wire.decoder(Product).decode
_read_products: Callable[[bytes], list[Product]] = wire.decoder(list[Product]).decode
_read_problem = wire.decoder(ProblemDetails).decode
