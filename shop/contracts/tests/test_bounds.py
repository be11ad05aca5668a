"""The bounds of the contracts fit together."""

import pytest

from atoll import wire
from atoll.problems import InvalidFields
from shop_contracts.items import MAX_LINES, MAX_QUANTITY
from shop_contracts.orders import NewOrder
from shop_contracts.products import MAX_PRICE, NewProduct


def test_the_largest_order_there_can_be_has_a_total() -> None:
    total = MAX_PRICE * MAX_QUANTITY * MAX_LINES

    assert str(total) == "9999999990000.00"


def test_a_product_named_twice_is_refused() -> None:
    body = b'{"items":[{"productId":"a","quantity":1},{"productId":"a","quantity":2}]}'

    with pytest.raises(InvalidFields, match="named twice"):
        wire.decoder(NewOrder).decode(body)


def test_a_price_above_the_highest_is_refused() -> None:
    with pytest.raises(InvalidFields, match=r"at most 9999999\.99"):
        wire.decoder(NewProduct).decode(b'{"name":"Yacht","price":10000000,"category":"boats"}')
