"""Other services, as orders needs them; their errors in our words."""

import math
from collections.abc import Sequence

from atoll.calls import CallError, Gathering, ServiceClient, UpstreamProblem, path
from atoll.problems import ProblemDetails
from atoll.wire import Model
from shop_contracts.items import Item
from shop_contracts.moments import Moment
from shop_contracts.money import Money
from shop_contracts.products import (
    NewReservation,
    Reservation,
    ReservationRefusal,
    ReservationState,
    ReservedLine,
)
from shop_orders.domain import InsufficientStock, ProductNotFound, ProductsUnavailable
from shop_orders.ports import ItemsDiffer, ReservationReleased


class _State(Model):
    """All that matters of a reservation that is there already."""

    state: ReservationState


class _HeldLine(Model):
    """A line as products answers it, its price as the double that it is: there are many of them."""

    product_id: str
    name: str
    quantity: int
    price: float
    version: int


class _Held(Model):
    order_id: str
    state: ReservationState
    items: tuple[_HeldLine, ...]
    expires_at: Moment


class _Outcome(Model):
    """`ReservationOutcome`, read no further than needed."""

    reservation: _Held | None = None
    problem: ProblemDetails | None = None


class ProductsOverHttp:
    """The products service, asked by HTTP; for the holds of all orders that are placed at the same time in one call."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._reserving = Gathering("products", self._reserve_all)

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        try:
            outcome = await self._reserving.ask(NewReservation(order_id=order_id, items=tuple(items)))
        except CallError as error:
            raise _unavailable(error) from error
        if outcome.reservation is None:
            raise _refusal(outcome.problem)
        try:
            return _reservation(outcome.reservation)
        except ValueError as error:  # a price that is none
            raise ProductsUnavailable from error

    async def _reserve_all(self, wanted: Sequence[NewReservation]) -> Sequence[_Outcome]:
        return await self._client.put("/reservations", wanted, into=list[_Outcome])

    async def state_of(self, order_id: str) -> ReservationState | None:
        try:
            return (await self._client.get(path("reservations", order_id), into=_State)).state
        except UpstreamProblem as problem:
            if problem.status == 404:
                return None
            raise


def _reservation(held: _Held) -> Reservation:
    lines = tuple(
        ReservedLine(
            product_id=line.product_id,
            name=line.name,
            quantity=line.quantity,
            price=Money.from_major(line.price),
            version=line.version,
        )
        for line in held.items
    )
    return Reservation(order_id=held.order_id, state=held.state, items=lines, expires_at=held.expires_at)


def _unavailable(error: CallError) -> ProductsUnavailable:
    retry_after = error.retry_after if isinstance(error, UpstreamProblem) else None
    return ProductsUnavailable(retry_after=math.ceil(retry_after or 1))


def _refusal(problem: ProblemDetails | None) -> Exception:
    if problem is None:
        return ProductsUnavailable()
    match problem.type:
        case ReservationRefusal.INSUFFICIENT_STOCK:
            return InsufficientStock(problem.detail, errors=problem.errors)
        case ReservationRefusal.PRODUCT_NOT_FOUND:
            return ProductNotFound(problem.detail, errors=problem.errors)
        case ReservationRefusal.RELEASED:
            return ReservationReleased(problem.detail)
        case ReservationRefusal.ITEMS_DIFFER:
            return ItemsDiffer(problem.detail)
        case _:
            return ProductsUnavailable()
