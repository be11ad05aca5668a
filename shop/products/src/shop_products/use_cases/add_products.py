"""Add products to the catalogue, with their first stock: all of them or none."""

from collections.abc import Sequence
from dataclasses import dataclass

from atoll.clock import Clock, from_millis, to_millis
from atoll.events import Outbox
from atoll.idempotency import Once, every_time
from atoll.ids import NewId
from atoll.storage import Database, Transaction
from shop_contracts.products import NewProduct, Product
from shop_products.store import catalogue, stock
from shop_products.use_cases.announce_product import announce_product


@dataclass(frozen=True)
class AddProducts:
    database: Database
    outbox: Outbox
    clock: Clock
    new_id: NewId

    async def __call__(self, new: Sequence[NewProduct], *, once: Once = every_time) -> list[Product]:
        """The products as they are now, in the same order."""
        now = to_millis(self.clock.now())
        products = [first_version(self.new_id(), product, now) for product in new]

        async def add(tx: Transaction) -> list[Product]:
            await catalogue.add(tx, products)
            await stock.add(tx, [stock.Move(product.id, product.stock) for product in products], now)
            for product in products:
                await announce_product(tx, self.outbox, product)
            return products

        return await self.database.transaction(once(add))


def first_version(product_id: str, new: NewProduct, now: int) -> Product:
    """The product that begins now, in milliseconds."""
    return Product(
        id=product_id,
        name=new.name,
        description=new.description,
        price=new.price,
        category=new.category,
        stock=new.stock,
        version=1,
        created_at=from_millis(now),
        updated_at=from_millis(now),
    )
