"""What products says fits what its callers were promised."""

from atoll.problems import Problem
from atoll.testing.callers import Callers
from shop_contracts.products import ReservationRefusal
from shop_products import domain
from shop_products.app import create_app
from shop_products.settings import ProductsSettings


def test_refusals_have_the_types_that_callers_tell_them_by() -> None:
    classes: list[type[Problem]] = [
        domain.ProductNotFound,
        domain.InsufficientStock,
        domain.ItemsDiffer,
        domain.ReservationReleased,
    ]

    assert {*ReservationRefusal} == {refusal.type_uri() for refusal in classes}


def test_every_route_is_documented() -> None:
    service = create_app(ProductsSettings(), authenticator=Callers().authenticator("products"))
    document = service.openapi()

    assert {
        "/products",
        "/products/{product_id}",
        "/products/{product_id}/stock",
        "/reservations",
        "/reservations/{order_id}",
    } <= {*document["paths"]}
    money = document["components"]["schemas"]["Product"]["properties"]["price"]
    assert money["type"] == "number"
