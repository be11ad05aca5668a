"""The id of an order that is asked for with an Idempotency-Key."""

from atoll.idempotency import KeyedRequest
from atoll.ids import derived_uuid7


def order_id(request: KeyedRequest, placed_before: int) -> str:
    """The id of the order that this request makes, the same at each attempt, and nowhere written down.

    `placed_before` orders of the same key are there already: a key may be used anew once it was forgotten.
    The time in the id is always 1970: only the moment of the first attempt would do, and nobody knows it.
    """
    return derived_uuid7(0, "order", request.caller, request.key, str(placed_before))
