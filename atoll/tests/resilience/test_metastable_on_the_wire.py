"""The same as `test_metastable`, over real connections: a relay delays for a moment, and `ServiceClient` calls.

A server that can do 200 requests a second is offered 60. For 1.5 s answers come too late, and each call makes five
attempts instead of one; the server works off what nobody waits for any more. With a budget of retries that is
over when the network is well again; without one it never is.
"""

import asyncio
import time

from atoll.calls import CallError, CallPolicy, RetryPolicy, ServiceClient, Timeouts
from atoll.discovery.directory import FixedDirectory
from atoll.resilience import BulkheadPolicy, RetryBudgetPolicy
from atoll.testing.scripted_server import Peer, ScriptedServer
from atoll.testing.tcp_relay import Delay, TcpRelay

SERVICE_TIME = 0.005
OFFERED_EVERY = 1 / 60
PATIENCE = 0.2
TRIGGER = (0.6, 2.1)
END = 6.0
LAST = 1.2
"""Seconds at the end in which everything should be well again."""

WITH_BUDGET = RetryBudgetPolicy(min_per_second=1.0, window=1.0)
WITHOUT = RetryBudgetPolicy(ratio=100.0)


class Queue:
    """Works off one request after the other, first come, first served, whether or not anyone still waits."""

    def __init__(self) -> None:
        self._turns: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def serve(self, peer: Peer) -> None:
        while True:
            await peer.request()
            done = asyncio.Event()
            self._turns.put_nowait(done)
            await done.wait()
            await peer.answer()

    async def work(self) -> None:
        while True:
            done = await self._turns.get()
            await asyncio.sleep(SERVICE_TIME)
            done.set()


async def share_of_good_calls(budget: RetryBudgetPolicy) -> tuple[float, float]:
    """Of the calls before the trigger, and of those in the last second."""
    policy = CallPolicy(
        timeouts=Timeouts(attempt=PATIENCE),
        bulkhead=BulkheadPolicy(max_concurrent_calls=1000),
        retry=RetryPolicy(max_attempts=5, initial_backoff=0.01, max_backoff=0.02),
        retry_budget=budget,
    )
    queue, outcomes = Queue(), list[tuple[float, bool]]()
    began = time.monotonic()

    async def call(client: ServiceClient) -> None:
        at = time.monotonic() - began
        try:
            await client.put("/")
        except CallError:
            outcomes.append((at, False))
        else:
            outcomes.append((at, True))

    async with (
        ScriptedServer(queue.serve) as server,
        TcpRelay(server.url) as relay,
        ServiceClient("stock", FixedDirectory({"stock": relay.url}), policy=policy, max_connections=1000) as client,
        asyncio.TaskGroup() as calls,
    ):
        working = asyncio.create_task(queue.work())
        while (now := time.monotonic() - began) < END:
            relay.fault = Delay(2 * PATIENCE) if TRIGGER[0] <= now < TRIGGER[1] else None
            calls.create_task(call(client))
            await asyncio.sleep(OFFERED_EVERY)
        working.cancel()
    return share(outcomes, 0.0, TRIGGER[0] - PATIENCE), share(outcomes, END - LAST, END - PATIENCE)


def share(outcomes: list[tuple[float, bool]], since: float, until: float) -> float:
    good = [good for at, good in outcomes if since <= at < until]
    return sum(good) / len(good)


async def test_after_the_trigger_calls_recover_with_a_budget_and_only_with_one() -> None:
    (before, with_budget), (_, without) = await asyncio.gather(
        share_of_good_calls(WITH_BUDGET), share_of_good_calls(WITHOUT)
    )

    assert before > 0.8  # the machine may be busy
    assert with_budget > 0.8
    assert without < 0.3
