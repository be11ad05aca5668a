"""Add to a product's stock, or take from it, in one step that never ends below zero."""

from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.idempotency import Once, every_time
from atoll.storage import Database, Transaction
from shop_contracts.products import Product
from shop_products.contention import settle_contention
from shop_products.domain import StockOutOfBounds
from shop_products.store import stock
from shop_products.use_cases.change_product import product_at


@dataclass(frozen=True)
class ChangeStock:
    database: Database
    clock: Clock

    async def __call__(self, product_id: str, quantity: int, *, once: Once = every_time) -> Product:
        """The product with its new stock; raises `ProductNotFound` or `StockOutOfBounds`."""
        now = to_millis(self.clock.now())

        async def change(tx: Transaction) -> Product:
            before = await product_at(tx, product_id, None)
            if not await stock.adjust(tx, stock.Move(product_id, quantity), now):
                raise StockOutOfBounds(before.name, before.stock)
            return await product_at(tx, product_id, None)

        return await settle_contention(self.database, once(change))
