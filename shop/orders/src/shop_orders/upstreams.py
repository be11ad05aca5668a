"""Other services, as orders needs them; their errors in our words."""

import math
from collections.abc import Sequence
from typing import NoReturn

from atoll.calls import CallError, ServiceClient, UpstreamProblem, path
from atoll.wire import Model
from shop_contracts.items import Item
from shop_contracts.products import NewReservation, Reservation, ReservationRefusal, ReservationState
from shop_orders.domain import InsufficientStock, ProductNotFound, ProductsUnavailable
from shop_orders.ports import ItemsDiffer, ReservationReleased


class _State(Model):
    """All that matters of a reservation that is there already."""

    state: ReservationState


class ProductsOverHttp:
    """The products service, asked by HTTP."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        wanted = NewReservation(order_id=order_id, items=tuple(items))
        try:
            return await self._client.post("/reservations", wanted, into=Reservation, idempotency_key=order_id)
        except UpstreamProblem as problem:
            _raise_refusal(problem)
        except CallError as error:
            raise ProductsUnavailable from error

    async def state_of(self, order_id: str) -> ReservationState | None:
        try:
            return (await self._client.get(path("reservations", order_id), into=_State)).state
        except UpstreamProblem as problem:
            if problem.status == 404:
                return None
            raise


def _raise_refusal(problem: UpstreamProblem) -> NoReturn:
    details = problem.details
    match details.type:
        case ReservationRefusal.INSUFFICIENT_STOCK:
            raise InsufficientStock(details.detail, errors=details.errors) from problem
        case ReservationRefusal.PRODUCT_NOT_FOUND:
            raise ProductNotFound(details.detail, errors=details.errors) from problem
        case ReservationRefusal.RELEASED:
            raise ReservationReleased(details.detail) from problem
        case ReservationRefusal.ITEMS_DIFFER:
            raise ItemsDiffer(details.detail) from problem
        case _ if problem.status >= 500 or problem.status == 429:
            raise ProductsUnavailable(retry_after=math.ceil(problem.retry_after or 1)) from problem
        case _:
            raise problem
