"""Take a product out of the catalogue. Orders and holds that have it go on."""

from collections.abc import Collection
from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.events import Outbox
from atoll.storage import Database, Transaction
from shop_products.contention import Overtaken, settle_contention
from shop_products.store import catalogue
from shop_products.use_cases.announce_product import announce_product
from shop_products.use_cases.change_product import product_at


@dataclass(frozen=True)
class HideProduct:
    database: Database
    outbox: Outbox
    clock: Clock

    async def __call__(self, product_id: str, *, only_at: Collection[int] | None = None) -> None:
        """Raises `ProductNotFound`, and `VersionChanged` when it is at none of the versions `only_at`."""
        now = to_millis(self.clock.now())

        async def hide(tx: Transaction) -> None:
            product = await product_at(tx, product_id, only_at)
            if not await catalogue.hide(tx, product_id, at_version=product.version, now=now):
                raise Overtaken
            await announce_product(tx, self.outbox, product, hidden=True)

        await settle_contention(self.database, hide)
