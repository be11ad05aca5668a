"""Other services, as products needs them."""

from atoll.calls import ServiceClient, UpstreamProblem, path
from atoll.wire import Model


class _SomeOrder(Model):
    id: str


class OrdersOverHttp:
    """The orders service, asked by HTTP."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def exists(self, order_id: str) -> bool:
        """Whether there is such an order, whatever its state; raises `CallError` when that cannot be known."""
        try:
            await self._client.get(path("orders", order_id), into=_SomeOrder)
        except UpstreamProblem as problem:
            if problem.status == 404:
                return False
            raise
        return True
