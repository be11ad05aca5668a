"""Does an instance answer, and as the service that it says it is?"""

import msgspec

from atoll.calls.client import ServiceClient
from atoll.calls.errors import CallError
from atoll.calls.timeouts import Timeouts
from atoll.clock import Clock
from atoll.discovery.directory import FixedDirectory
from atoll.observability.logging import get_logger
from atoll.registry.leases import Lease

CHECK_TIMEOUTS = Timeouts(connect=1.0, attempt=2.0, total=2.0)

log = get_logger()


class _Health(msgspec.Struct):
    service: str = ""


class HttpCheck:
    """A `Check` over HTTP: the health path must answer 2xx, and name no other service.

    Bodies that are not ours say nothing about names, and are as good as none.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(self, lease: Lease) -> bool:
        instance = lease.instance
        directory = FixedDirectory({instance.name: instance.url})
        try:
            async with ServiceClient(instance.name, directory, timeouts=CHECK_TIMEOUTS, clock=self._clock) as client:
                answer = await client.request("GET", lease.health)
        except CallError as error:
            log.info("instance does not answer yet", instance=instance.url, name=instance.name, error=str(error))
            return False
        return self._names(instance.name, instance.url, answer.body)

    @staticmethod
    def _names(expected: str, url: str, body: bytes) -> bool:
        try:
            named = msgspec.json.decode(body, type=_Health).service or expected
        except (msgspec.DecodeError, UnicodeDecodeError):
            return True
        if named != expected:
            log.warning("another service answers there", instance=url, expected=expected, found=named)
        return named == expected
