"""Take products of an imported file over into the catalogue: all of a batch, in one transaction.

The handle and the option values say which product a row means, in whatever file it stands. What the row says of a
product that is there is taken over, except for its stock, which has been counted here since it was first imported. A
product that was taken out of the catalogue since comes back as a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from atoll.clock import Clock, to_millis
from atoll.events import Outbox
from atoll.ids import NewId
from atoll.storage import Database, Transaction
from shop_contracts.imports import ImportOutcome
from shop_contracts.products import NewProduct, Product, ProductChanges
from shop_products.contention import Overtaken, settle_contention
from shop_products.importing.found import Variant
from shop_products.store import catalogue, imports, stock
from shop_products.store.imports import Imported, Key
from shop_products.use_cases.add_products import first_version
from shop_products.use_cases.announce_product import announce_product
from shop_products.use_cases.change_product import changed


class TakenOver(NamedTuple):
    """What became of a row; `detail` is a sentence or empty."""

    outcome: ImportOutcome
    product_id: str
    detail: str


@dataclass(frozen=True)
class TakeOver:
    database: Database
    outbox: Outbox
    clock: Clock
    new_id: NewId

    async def __call__(self, variants: Sequence[Variant], import_id: str) -> list[TakenOver]:
        """What became of each, in the same order. One that the same import had before is a mistake of the file."""
        now = to_millis(self.clock.now())

        async def take_over(tx: Transaction) -> list[TakenOver]:
            return [await self._take_over(tx, variant, import_id, now) for variant in variants]

        return await settle_contention(self.database, take_over)

    async def _take_over(self, tx: Transaction, variant: Variant, import_id: str, now: int) -> TakenOver:
        key = Key(variant.handle, variant.options)
        before = await imports.find(tx, key)
        if before is not None and before.import_id == import_id:
            return TakenOver("failed", "", f"Line {before.line} has the same handle and option values.")
        known = await catalogue.find(tx, before.product_id) if before is not None else None
        product = await self._put(tx, known, variant.product, now)
        await imports.remember(tx, key, Imported(product.id, import_id, variant.line), before=before)
        return TakenOver(_outcome(known, product), product.id, variant.note)

    async def _put(self, tx: Transaction, known: Product | None, wanted: NewProduct, now: int) -> Product:
        """Bring the catalogue to what is wanted; the same object as `known` when it is there already."""
        if known is None:
            return await self._add(tx, wanted, now)
        product = changed(known, _changes(wanted), now)
        if product is known:
            return known
        if not await catalogue.change(tx, product, from_version=known.version):
            raise Overtaken
        await announce_product(tx, self.outbox, product)
        return product

    async def _add(self, tx: Transaction, wanted: NewProduct, now: int) -> Product:
        product = first_version(self.new_id(), wanted, now)
        await catalogue.add(tx, [product])
        await stock.add(tx, [stock.Move(product.id, product.stock)], now)
        await announce_product(tx, self.outbox, product)
        return product


def _changes(wanted: NewProduct) -> ProductChanges:
    return ProductChanges(
        name=wanted.name, description=wanted.description, price=wanted.price, category=wanted.category
    )


def _outcome(known: Product | None, product: Product) -> ImportOutcome:
    if known is None:
        return "created"
    return "unchanged" if product is known else "updated"
