"""What there is to buy: products of the load's own, or whatever the catalogue has."""

import secrets
from urllib.parse import quote

from atoll import wire
from shop_contracts.products import Product, ProductPage
from shop_proof.load.door import Ask
from shop_proof.load.insisting import Insisting
from shop_proof.load.people import Administrator, NotReady, expect, sign_in
from shop_proof.load.plan import MOST_LINES, Plan

CATEGORY = "load"
PLENTY = 1_000_000
"""Units of each new product, unless told otherwise; one with less than half of that is not taken again."""

PRICES = (0.01, 0.99, 9.5, 19.99, 249.0)


async def stocked(insisting: Insisting, plan: Plan, admin: Administrator | None) -> list[str]:
    """The ids of the products to buy, at least as many as an order has lines. Raises `NotReady`."""
    if plan.existing:
        products = [product for product in await _catalogue(insisting) if product.stock > 0]
    elif plan.stock is None:
        products = [product for product in await _catalogue(insisting, CATEGORY) if product.stock > PLENTY // 2]
        products = products if len(products) >= MOST_LINES else await _new(insisting, admin, PLENTY)
    else:
        products = await _new(insisting, admin, plan.stock)
    if len(products) < max(plan.lines):
        raise NotReady(f"Orders of {max(plan.lines)} lines need more than the {len(products)} products in stock.")
    return [product.id for product in products]


async def _catalogue(insisting: Insisting, category: str = "") -> list[Product]:
    """The newest products, at most 200."""
    path = "/api/products?limit=200" + (f"&category={quote(category)}" if category else "")
    outcome = await insisting(Ask("GET", path))
    return expect(outcome, 200, "The catalogue cannot be read", wire.decoder(ProductPage).decode).items


async def _new(insisting: Insisting, admin: Administrator | None, stock: int) -> list[Product]:
    if admin is None:
        raise NotReady("Only an administrator can add products: give ADMIN_EMAIL and ADMIN_PASSWORD, or --existing.")
    token = await sign_in(insisting, admin.email, admin.password)
    new = [
        {"name": f"Load {number}", "price": PRICES[number % len(PRICES)], "category": CATEGORY, "stock": stock}
        for number in range(1, MOST_LINES + 1)
    ]
    ask = Ask("POST", "/api/products", wire.encode(new), key=secrets.token_hex(16), by="admin", token=token)
    return expect(await insisting(ask), 201, "Products cannot be added", wire.decoder(list[Product]).decode)
