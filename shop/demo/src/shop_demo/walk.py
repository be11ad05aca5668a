"""The walk: register, sign in, fill the shelves, order, wait, read, cancel."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from shop_demo.calls import Shop, Surprise
from shop_demo.paper import Paper

CATEGORY = "demo"
PRODUCTS = [
    {"name": "Hammock", "description": "For two palms.", "price": 49.9, "category": CATEGORY, "stock": 100},
    {"name": "Coconut", "description": "Fresh from the reef.", "price": 2.5, "category": CATEGORY, "stock": 1000},
    {"name": "Paddle", "description": "Light and strong.", "price": 79, "category": CATEGORY, "stock": 50},
]

CONFIRMED_WITHIN = 10.0
_LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who fills the shelves."""

    email: str
    password: str


def walk(shop: Shop, admin: Administrator, paper: Paper) -> None:
    """Every step in order; raises `Surprise` at the first call that does not go as promised."""
    paper.step("An administrator fills the shelves.")
    products = stocked_shelves(shop, admin)
    paper.good(f"{len(products)} products are on sale.")

    paper.step("A customer registers and signs in.")
    user = register_and_sign_in(shop)
    paper.good(f"{user['name']} is signed in.")

    paper.step("They place an order; the same key again would give the same order.")
    order = place_order(shop, products)
    paper.good(f"The order costs {order['totalAmount']} {order['currency']}.")

    paper.step("It is confirmed as soon as the stock is theirs for good.")
    wait_until_confirmed(shop, order["id"])
    expect(shop.call("GET", f"/api/orders/{order['id']}"), status="confirmed")
    orders = shop.call("GET", f"/api/users/{user['id']}/orders")
    if [each["id"] for each in orders["items"]] != [order["id"]]:
        raise Surprise("The customer should have exactly this one order.")
    paper.good("Confirmed.")

    paper.step("They change their mind: the order is cancelled, and the stock goes back.")
    expect(shop.call("POST", f"/api/orders/{order['id']}/cancel"), status="cancelled")
    paper.good("Cancelled.")


def stocked_shelves(shop: Shop, admin: Administrator) -> list[dict[str, Any]]:
    """The demo's products, added unless an earlier demo has done so."""
    on_sale = shop.call("GET", f"/api/products?category={CATEGORY}")["items"]
    if len(on_sale) >= len(PRODUCTS):
        return list(on_sale)
    shop.sign_in_with(token_of(shop, admin))
    added = shop.call("POST", "/api/products", PRODUCTS, expect=201)
    shop.sign_out()
    return list(added)


def token_of(shop: Shop, admin: Administrator) -> str:
    """The administrator's access token."""
    token: str = shop.call("POST", "/api/auth/login", {"email": admin.email, "password": admin.password})["accessToken"]
    return token


def register_and_sign_in(shop: Shop) -> dict[str, Any]:
    """A customer who was not there before."""
    email, password = f"ada-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(12)
    user: dict[str, Any] = shop.call(
        "POST", "/api/users", {"name": "Ada", "email": email, "password": password}, expect=201
    )
    tokens = shop.call("POST", "/api/auth/login", {"email": email, "password": password})
    shop.sign_in_with(tokens["accessToken"])
    return user


def place_order(shop: Shop, products: list[dict[str, Any]]) -> dict[str, Any]:
    """Two of the first product, one of the second."""
    items = [
        {"productId": products[0]["id"], "quantity": 2},
        {"productId": products[1]["id"], "quantity": 1},
    ]
    key = {"Idempotency-Key": secrets.token_hex(8)}
    order: dict[str, Any] = shop.call("POST", "/api/orders", {"items": items}, expect=201, headers=key)
    _, again = shop.quietly("POST", "/api/orders", {"items": items}, headers=key)
    if again != order:
        raise Surprise("The same order with the same Idempotency-Key should give the same answer.")
    return order


def wait_until_confirmed(shop: Shop, order_id: str) -> None:
    """Return when the order is no longer pending."""
    deadline = time.monotonic() + CONFIRMED_WITHIN
    while shop.quietly("GET", f"/api/orders/{order_id}")[1].get("status") == "pending":
        if time.monotonic() > deadline:
            raise Surprise(f"The order should be confirmed within {CONFIRMED_WITHIN:g} seconds.")
        time.sleep(_LOOK_EVERY)


def expect(order: dict[str, Any], *, status: str) -> None:
    """Raise `Surprise` when the order is in another state."""
    if order["status"] != status:
        raise Surprise(f"The order should be {status}, not {order['status']}.")
