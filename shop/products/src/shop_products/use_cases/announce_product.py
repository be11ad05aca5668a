"""Tell what the catalogue says of a product now, in the transaction that makes it so."""

from msgspec import UNSET

from atoll.events import Outbox
from atoll.storage import Transaction
from shop_contracts.events import PRODUCT_CHANGED, ProductChanged
from shop_contracts.products import Product


async def announce_product(tx: Transaction, outbox: Outbox, product: Product, *, hidden: bool = False) -> None:
    """A new version of it, or that it is `hidden` now: then nothing comes after it."""
    data = ProductChanged(
        product_id=product.id,
        name=product.name,
        price=product.price,
        version=product.version,
        hidden=True if hidden else UNSET,
    )
    sequence = product.version + hidden
    await outbox.announce(tx, PRODUCT_CHANGED, subject=product.id, sequence=sequence, data=data)
