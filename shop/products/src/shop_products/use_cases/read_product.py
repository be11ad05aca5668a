"""Show a product, unless whoever asks has it as it is."""

from dataclasses import dataclass

from atoll.storage import Database, Reading
from shop_contracts.products import Product
from shop_products.domain import ProductNotFound
from shop_products.etags import has_copy
from shop_products.store import catalogue, stock


@dataclass(frozen=True)
class ReadProduct:
    database: Database

    async def __call__(self, product_id: str, if_none_match: str | None) -> tuple[Product, bool]:
        """The product, and whether the client's copy of it is right; raises `ProductNotFound`."""

        async def look(reading: Reading) -> tuple[Product, bool]:
            product = await catalogue.find(reading, product_id)
            if product is None:
                raise ProductNotFound(product_id)
            if if_none_match is None:
                return product, False
            stock_moved = await stock.has_moved(reading, product_id)
            return product, has_copy(if_none_match, product, stock_moved=stock_moved)

        return await self.database.read(look)
