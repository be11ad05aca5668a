"""A gateway of several workers, joined: its first process opens the door, minds the workers, and speaks for all."""

import signal
import socket
from functools import partial

from atoll.clock import Clock, SystemClock
from atoll.endpoints import Content, Route
from atoll.gateway.merged_metrics import merged
from atoll.gateway.reloading import Reloading, settings_as_written
from atoll.gateway.settings import GATEWAY, GatewaySettings
from atoll.gateway.settings_check import checked
from atoll.gateway.workers import Workers
from atoll.lifecycle import Program, UvicornListener
from atoll.limits.quota_store import LocalQuotaStore
from atoll.observability.metrics import EXPOSITION_TYPE
from atoll.problems import Unavailable
from atoll.service import Service


def create_front(
    settings: GatewaySettings, *, door: socket.socket | None = None, clock: Clock | None = None
) -> Program:
    """The gateway as `settings.workers` processes at one port, or at the `door` that somebody holds open for it.

    Raises `SettingsInvalid` as `create_gateway` does.
    """
    checked(settings)
    clock = clock or SystemClock()
    store = LocalQuotaStore(clock, sharers=settings.workers)
    workers = Workers(settings.host, settings.port, settings.workers, store, door=door)
    operations = Service(
        GATEWAY,
        [Route("GET", "/metrics", _Exposition(workers).answer)],
        resources=[Reloading(settings, lambda found: _hand_on(found, workers), settings_as_written)],
        readiness={f"worker {number}": partial(_check, workers, number) for number in range(1, settings.workers + 1)},
        version=settings.version,
        clock=clock,
    )
    return Program(
        operations, {"port": workers, "ops_port": UvicornListener(operations.app, settings.host, settings.ops_port)}
    )


class _Exposition:
    """`/metrics` of all workers together."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def answer(self) -> Content:
        expositions = [await worker.fetch("/metrics") for worker in self._workers.running]
        own = (
            "# HELP gateway_workers Processes that serve now.\n# TYPE gateway_workers gauge\n"
            f"gateway_workers {len(expositions)}\n"
        )
        return Content((own + merged(expositions)).encode(), EXPOSITION_TYPE)


def _hand_on(found: GatewaySettings, workers: Workers) -> None:
    """Have the workers read the settings again, once they are found good here."""
    checked(found)
    workers.signal(signal.SIGHUP)


async def _check(workers: Workers, number: int) -> None:
    for worker in workers.running:
        if worker.number == number:
            await worker.fetch("/ready")
            return
    raise Unavailable(f"Worker {number} is being started.")
