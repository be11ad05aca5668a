"""products, which acknowledges what it reads before it has acted on it. It dies once between the two."""

import runpy

from tests.faults.planted import dying

from atoll.events.broker import Delivery
from atoll.events.valkey.subscription import ValkeySubscription

read = ValkeySubscription.read


async def read_and_acknowledge(self: ValkeySubscription, at_most: int, *, wait: float) -> list[Delivery]:
    deliveries = await read(self, at_most, wait=wait)
    await self.acknowledge(deliveries)
    if deliveries:
        dying.die_once()
    return deliveries


ValkeySubscription.read = read_and_acknowledge  # type: ignore[method-assign]  # the bug

if __name__ == "__main__":
    runpy.run_module("shop_products", run_name="__main__")
