"""What buyers do, one action at a time, and what each may come to in a shop that keeps its promises."""

import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence

from atoll import wire
from atoll.problems import Problem
from shop_contracts.items import Item
from shop_contracts.orders import NewOrder, Order
from shop_contracts.products import StockChange
from shop_proof.load.door import Ask
from shop_proof.load.insisting import Insisted, Insisting
from shop_proof.load.people import ADMINISTRATOR, Buyer, Placed, said_by
from shop_proof.load.plan import Kind
from shop_proof.load.shelves import Shelves
from shop_proof.load.tally import Outcome

MOST_UNITS = 3
"""Of each line; at least one."""

MOST_ADDED = 20
"""Units when a shelf is filled up."""

SOLD_OUT = "/problems/insufficient-stock"


class Actions:
    """Does what the mix asks for, each time as another buyer."""

    def __init__(
        self,
        insisting: Insisting,
        buyers: Sequence[Buyer],
        shelves: Shelves,
        *,
        lines: range,
        mix: Mapping[Kind, int],
        chance: random.Random,
    ) -> None:
        self._insisting = insisting
        self._buyers = buyers
        self._shelves = shelves
        self._lines = lines
        self._kinds, self._weights = [*mix], [*mix.values()]
        self._chance = chance
        self._acts: Mapping[Kind, Callable[[Buyer], Awaitable[Outcome]]] = {
            Kind.PLACE: self.place,
            Kind.CANCEL: self.cancel,
            Kind.READ: self.read,
            Kind.REPEAT: self.repeat,
            Kind.RESTOCK: self.restock,
        }

    async def act(self) -> Outcome:
        """One action by chance; an order is placed where another one is not possible."""
        buyer = self._chance.choice(self._buyers)
        (kind,) = self._chance.choices(self._kinds, self._weights)
        is_possible = self._shelves.token if kind is Kind.RESTOCK else buyer.placed
        return await self._acts[kind if is_possible else Kind.PLACE](buyer)

    async def place(self, buyer: Buyer) -> Outcome:
        """Place an order with a key of its own."""
        body = wire.encode(NewOrder(items=self._basket()))
        ask = Ask("POST", "/api/orders", body, key=secrets.token_hex(16), by=buyer.id, token=buyer.token)
        insisted = await self._insisting(ask, still_runs=409)
        if insisted.reply and insisted.status == 201:
            return self._note_order(buyer, ask, insisted.reply.body)
        is_sold_out = insisted.status == 400 and insisted.reply and SOLD_OUT.encode() in insisted.reply.body
        return _outcome(Kind.PLACE, ask, insisted, is_expected=bool(is_sold_out))

    async def cancel(self, buyer: Buyer) -> Outcome:
        """Cancel an order of the buyer's. A conflict says that it is cancelled, or shipped, already."""
        placed = self._chance.choice(buyer.placed)
        ask = Ask("POST", f"/api/orders/{placed.order_id}/cancel", by=buyer.id, token=buyer.token)
        insisted = await self._insisting(ask)
        return _outcome(Kind.CANCEL, ask, insisted, is_expected=insisted.status in (200, 409))

    async def read(self, buyer: Buyer) -> Outcome:
        """Look at an order of the buyer's, or at a product."""
        if self._chance.random() < 0.5:
            path = f"/api/orders/{self._chance.choice(buyer.placed).order_id}"
        else:
            path = f"/api/products/{self._chance.choice(self._shelves.product_ids)}"
        ask = Ask("GET", path, by=buyer.id, token=buyer.token)
        insisted = await self._insisting(ask)
        return _outcome(Kind.READ, ask, insisted, is_expected=insisted.status == 200)

    async def repeat(self, buyer: Buyer) -> Outcome:
        """Ask once more for an order that was placed, with the same key: the answer must be the same."""
        placed = self._chance.choice(buyer.placed)
        insisted = await self._insisting(placed.ask, still_runs=409)
        is_same = insisted.reply is not None and insisted.reply.body == placed.answer
        return _outcome(Kind.REPEAT, placed.ask, insisted, is_expected=insisted.status == 201 and is_same)

    async def restock(self, _buyer: Buyer) -> Outcome:
        """Add to the stock of a product, as the administrator."""
        path = f"/api/products/{self._chance.choice(self._shelves.product_ids)}/stock"
        body = wire.encode(StockChange(quantity=self._chance.randint(1, MOST_ADDED)))
        key = secrets.token_hex(16)
        ask = Ask("PATCH", path, body, key=key, by=ADMINISTRATOR, token=self._shelves.token)
        insisted = await self._insisting(ask, still_runs=409)
        return _outcome(Kind.RESTOCK, ask, insisted, is_expected=insisted.status == 200)

    def _basket(self) -> tuple[Item, ...]:
        chosen = self._chance.sample(self._shelves.product_ids, self._chance.choice(self._lines))
        return tuple(Item(product_id=each, quantity=self._chance.randint(1, MOST_UNITS)) for each in chosen)

    def _note_order(self, buyer: Buyer, ask: Ask, body: bytes) -> Outcome:
        try:
            order_id = _read_order(body).id
        except Problem as problem:
            return Outcome(Kind.PLACE, 201, f"POST /api/orders: the answer is no order: {problem}")
        buyer.placed.append(Placed(ask, order_id, body))
        return Outcome(Kind.PLACE, 201)


def _outcome(kind: Kind, ask: Ask, insisted: Insisted, *, is_expected: bool) -> Outcome:
    if is_expected:
        return Outcome(kind, insisted.status)
    said = said_by(insisted.reply.body) if insisted.reply else "no answer, however often it was asked"
    surprise = f"{kind}: {ask.method} {ask.path}: {insisted.status or ''} {said}".rstrip()
    return Outcome(kind, insisted.status, surprise)


_read_order = wire.decoder(Order).decode
