"""Change what the catalogue says of a product, never its stock."""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from atoll.clock import Clock, from_millis, to_millis
from atoll.events import Outbox
from atoll.storage import Database, Transaction
from shop_contracts.products import Product, ProductChanges
from shop_products.contention import Overtaken, settle_contention
from shop_products.domain import ProductNotFound, VersionChanged
from shop_products.store import catalogue
from shop_products.use_cases.announce_product import announce_product


@dataclass(frozen=True)
class ChangeProduct:
    database: Database
    outbox: Outbox
    clock: Clock

    async def __call__(
        self, product_id: str, changes: ProductChanges, *, only_at: Collection[int] | None = None
    ) -> Product:
        """The product as it is now; at the same version when nothing differs.

        Raises `ProductNotFound`, and `VersionChanged` when it is at none of the versions `only_at`.
        """
        now = to_millis(self.clock.now())

        async def change(tx: Transaction) -> Product:
            old = await product_at(tx, product_id, only_at)
            new = changed(old, changes, now)
            if new is old:
                return old
            if not await catalogue.change(tx, new, from_version=old.version):
                raise Overtaken
            await announce_product(tx, self.outbox, new)
            return new

        return await settle_contention(self.database, change)


async def product_at(tx: Transaction, product_id: str, only_at: Collection[int] | None) -> Product:
    """The product; raises `ProductNotFound`, and `VersionChanged` when it is at none of the versions `only_at`."""
    product = await catalogue.find(tx, product_id)
    if product is None:
        raise ProductNotFound(product_id)
    if only_at is not None and product.version not in only_at:
        raise VersionChanged(product_id, product.version)
    return product


def changed(product: Product, changes: ProductChanges, now: int) -> Product:
    """The product's next version; the same object when nothing differs."""
    wanted = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not msgspec.UNSET}
    if all(getattr(product, name) == value for name, value in wanted.items()):
        return product
    return msgspec.structs.replace(product, **wanted, version=product.version + 1, updated_at=from_millis(now))
