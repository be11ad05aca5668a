"""products, which never looks for what it was given before it died. It dies once with something in hand."""

import runpy

from tests.faults.planted import dying

from atoll.events.broker import Delivery
from atoll.events.valkey.subscription import ValkeySubscription

read = ValkeySubscription.read


async def read_and_die(self: ValkeySubscription, at_most: int, *, wait: float) -> list[Delivery]:
    deliveries = await read(self, at_most, wait=wait)
    if deliveries:
        dying.die_once()
    return deliveries


async def nothing(self: ValkeySubscription, at_most: int) -> list[Delivery]:
    return []


ValkeySubscription.read = read_and_die  # type: ignore[method-assign]  # what shows it
ValkeySubscription._own = nothing  # type: ignore[method-assign]  # the bug

if __name__ == "__main__":
    runpy.run_module("shop_products", run_name="__main__")
