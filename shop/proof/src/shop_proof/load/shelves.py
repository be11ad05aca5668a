"""What there is to buy: products of the load's own, or whatever the catalogue has."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from atoll import wire
from shop_contracts.products import Product, ProductPage
from shop_proof.load.door import Ask
from shop_proof.load.insisting import Insisting
from shop_proof.load.people import ADMINISTRATOR, Administrator, NotReady, expect, sign_in
from shop_proof.load.plan import MOST_LINES, Plan

CATEGORY = "load"
CATEGORY_TOLD = "load with history"
"""Of products whose every change is in one history: no other load takes them."""

PLENTY = 1_000_000
"""Units of each new product, unless told otherwise; one with less than half of that is not taken again."""

PRICES = (0.01, 0.99, 9.5, 19.99, 249.0)


@dataclass(frozen=True, slots=True)
class Shelves:
    """The ids of the products to buy, and the token of who may fill them up; empty when nobody may."""

    product_ids: Sequence[str]
    token: str


async def stocked(insisting: Insisting, plan: Plan, admin: Administrator | None) -> Shelves:
    """At least as many products as an order has lines. Raises `NotReady`."""
    token = await sign_in(insisting, admin.email, admin.password) if admin and not plan.existing else ""
    products = await _products(insisting, plan, token)
    if len(products) < max(plan.lines):
        raise NotReady(f"Orders of {max(plan.lines)} lines need more than the {len(products)} products in stock.")
    return Shelves([product.id for product in products], token)


async def _products(insisting: Insisting, plan: Plan, token: str) -> list[Product]:
    if plan.existing:
        return [product for product in await _catalogue(insisting) if product.stock > 0]
    if plan.told:
        return await _new(insisting, token, plan.stock or PLENTY, CATEGORY_TOLD)
    if plan.stock is not None:
        return await _new(insisting, token, plan.stock, CATEGORY)
    known = [product for product in await _catalogue(insisting, CATEGORY) if product.stock > PLENTY // 2]
    return known if len(known) >= MOST_LINES else await _new(insisting, token, PLENTY, CATEGORY)


async def _catalogue(insisting: Insisting, category: str = "") -> list[Product]:
    """The newest products, at most 200."""
    path = "/api/products?limit=200" + (f"&category={quote(category)}" if category else "")
    outcome = await insisting(Ask("GET", path))
    return expect(outcome, 200, "The catalogue cannot be read", wire.decoder(ProductPage).decode).items


async def _new(insisting: Insisting, token: str, stock: int, category: str) -> list[Product]:
    if not token:
        raise NotReady("Only an administrator can add products: give ADMIN_EMAIL and ADMIN_PASSWORD, or --existing.")
    new = [
        {"name": f"Load {number}", "price": PRICES[number % len(PRICES)], "category": category, "stock": stock}
        for number in range(1, MOST_LINES + 1)
    ]
    ask = Ask("POST", "/api/products", wire.encode(new), key=secrets.token_hex(16), by=ADMINISTRATOR, token=token)
    return expect(await insisting(ask), 201, "Products cannot be added", wire.decoder(list[Product]).decode)
