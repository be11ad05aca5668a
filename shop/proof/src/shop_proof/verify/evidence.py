"""The records of several databases and the clients' words, joined: by product, and by order."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Generic, TypeVar

from shop_proof.verify.records import Article, Hold, Move, OrderRecord
from shop_proof.verify.testimony import Sighting

T = TypeVar("T")

TAKEN = "held"
GIVEN_BACK = frozenset(("released", "expired"))
FIRST = "added"
RESTOCKED = "adjusted"


@dataclass(slots=True)
class Book:
    """One product's books: its stock, its ledger added up, and what orders say they have of it."""

    product_id: str
    article: Article | None = None
    rows: int = 0
    total: int = 0
    """The sum of its ledger."""
    lowest: int | None = None
    """The least that the ledger ever came to; None while it has no row."""
    first_stock: int = 0
    restocks: int = 0
    in_orders: int = 0
    """In orders that are not cancelled."""
    on_hold: int = 0
    """Taken for orders that do not exist (yet), or that are cancelled and wait for their stock to be given back."""

    @property
    def name(self) -> str:
        return f"{self.article.name} ({self.product_id})" if self.article else f"Product {self.product_id}"

    @property
    def supply(self) -> int:
        """All that there ever was to sell."""
        return self.first_stock + self.restocks

    def enter(self, move: Move) -> None:
        """Take the ledger's next row into account."""
        if self.lowest is None and move.cause != FIRST:
            self.lowest = 0
        self.rows += 1
        self.total += move.change
        self.lowest = self.total if self.lowest is None else min(self.lowest, self.total)
        if move.cause == FIRST:
            self.first_stock += move.change
        elif move.cause == RESTOCKED:
            self.restocks += move.change


@dataclass(frozen=True, slots=True)
class Episode:
    """What one transaction has moved for an order: how many of each product were taken, or given back."""

    cause: str
    quantities: dict[str, int]

    @property
    def takes(self) -> bool:
        return self.cause == TAKEN


@dataclass(frozen=True)
class Case:
    """Everything that is known of one order's id. `sightings` and `misses` are what clients were told of it."""

    order_id: str
    order: OrderRecord | None
    hold: Hold | None
    moves: Sequence[Move]
    sightings: Sequence[Sighting] = ()
    misses: Sequence[int] = ()

    def with_words(self, sightings: Sequence[Sighting], misses: Sequence[int]) -> "Case":
        """The same, and what clients were told."""
        return replace(self, sightings=sightings, misses=misses)

    @property
    def live_order(self) -> OrderRecord | None:
        """The order, unless it is cancelled: it has a right to its stock."""
        return self.order if self.order and self.order.status != "cancelled" else None

    @property
    def is_open(self) -> bool:
        """Whether stock is taken without a live order, and somebody is still to decide about it."""
        if self.hold is None:
            return False
        if self.order is None:
            return self.hold.state == "held"
        return self.order.status == "cancelled" and self.hold.state in ("held", "settled")

    @cached_property
    def episodes(self) -> list[Episode]:
        """The moves, transaction by transaction."""
        found: list[Episode] = []
        for move in self.moves:
            if not found or found[-1].cause != move.cause or move.product_id in found[-1].quantities:
                found.append(Episode(move.cause, {}))
            sign = -1 if move.cause == TAKEN else 1
            found[-1].quantities[move.product_id] = sign * move.change
        return found

    @cached_property
    def ordered(self) -> dict[str, int]:
        """How many of each product the order has."""
        return {line.product_id: line.quantity for line in self.order.lines} if self.order else {}

    @cached_property
    def held(self) -> dict[str, int]:
        """How many of each product the reservation has."""
        return {line.product_id: line.quantity for line in self.hold.lines} if self.hold else {}

    @property
    def keeps_stock(self) -> bool:
        """Whether the ledger's last word is that the stock is taken."""
        return bool(self.episodes) and self.episodes[-1].takes


@dataclass(slots=True)
class Books:
    """The books of all products."""

    by_product: dict[str, Book] = field(default_factory=dict)

    def of(self, product_id: str) -> Book:
        """The product's book; a new one for a product that nobody has told of yet."""
        return self.by_product.setdefault(product_id, Book(product_id))

    def enter_case(self, case: Case) -> None:
        """Count what the order has, or what is still taken without one."""
        if case.live_order:
            for product_id, quantity in case.ordered.items():
                self.of(product_id).in_orders += quantity
        elif case.is_open:
            for product_id, quantity in case.held.items():
                self.of(product_id).on_hold += quantity


async def cases(
    orders: AsyncIterator[OrderRecord],
    holds: AsyncIterator[Hold],
    moves: AsyncIterator[Move],
) -> AsyncIterator[Case]:
    """Joins the three, each of which comes by the id of its order, in memory for one order at a time."""
    all_orders = _Groups(orders, lambda order: order.id)
    all_holds = _Groups(holds, lambda hold: hold.order_id)
    all_moves = _Groups(moves, lambda move: move.order_id or "")
    while True:
        heads = [await groups.head() for groups in (all_orders, all_holds, all_moves)]
        order_id = min((head for head in heads if head is not None), default=None)
        if order_id is None:
            return
        yield Case(
            order_id,
            next(iter(await all_orders.take(order_id)), None),
            next(iter(await all_holds.take(order_id)), None),
            await all_moves.take(order_id),
        )


class _Groups(Generic[T]):
    """A stream in groups of one key each."""

    def __init__(self, items: AsyncIterator[T], key: Callable[[T], str]) -> None:
        self._items = items
        self._key = key
        self._next: list[T] | None = None
        """The item to come, or nothing after the last; None before the first."""

    async def head(self) -> str | None:
        """The key to come; None after the last."""
        if self._next is None:
            await self._step()
        return self._key(self._next[0]) if self._next else None

    async def take(self, key: str) -> list[T]:
        """The items of that key, if they come next."""
        taken: list[T] = []
        while await self.head() == key and self._next:
            taken += self._next
            await self._step()
        return taken

    async def _step(self) -> None:
        try:
            self._next = [await anext(self._items)]
        except StopAsyncIteration:
            self._next = []
