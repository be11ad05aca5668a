"""Is the service alive, and can it do its work? The bodies of `/health` and `/ready`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from atoll.clock import Clock, SystemClock
from atoll.observability.logging import get_logger
from atoll.observability.redaction import hide_in_text

Check = Callable[[], Awaitable[object]]
"""Returns when what it looks at works; raises when it does not."""

log = get_logger()


class Memory(msgspec.Struct, frozen=True):
    """What the process holds of the machine's memory, in bytes."""

    rss: int


class Liveness(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `/health`: an answer at all is the news; `uptime` is in seconds."""

    status: Literal["healthy"]
    service: str
    timestamp: datetime
    uptime: float
    memory: Memory
    pid: int
    version: str


class CheckResult(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How one check went; `seconds` is how long it took, `detail` what was wrong."""

    status: Literal["up", "down"]
    seconds: float
    detail: str = ""


class ReadinessReport(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `/ready`: every thing the service needs, by name, in the order given."""

    status: Literal["ready", "unready"]
    service: str
    checks: dict[str, CheckResult]

    @property
    def ready(self) -> bool:
        return self.status == "ready"

    @property
    def http_status(self) -> int:
        """200 when everything is there, 503 when something is missing."""
        return 200 if self.ready else 503


class Health:
    """Answers for one service. `timeout` bounds each readiness check, in seconds; all run at once.

    A check that begins to fail is logged, and so is its end; not each time that somebody asks.
    """

    def __init__(
        self,
        service: str,
        *,
        version: str = "",
        checks: Mapping[str, Check] | None = None,
        timeout: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        self._service = service
        self._version = version
        self._checks = dict(checks or {})
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._started = self._clock.monotonic()
        self._down: set[str] = set()

    def liveness(self) -> Liveness:
        """That the process runs, and how it does."""
        return Liveness(
            status="healthy",
            service=self._service,
            timestamp=self._clock.now(),
            uptime=round(self._clock.monotonic() - self._started, 3),
            memory=Memory(resident_bytes()),
            pid=os.getpid(),
            version=self._version,
        )

    async def readiness(self) -> ReadinessReport:
        """Run every check, and say how each went. Takes no longer than the time-out."""
        results = await asyncio.gather(*(self._run(name, check) for name, check in self._checks.items()))
        ready = all(result.status == "up" for result in results)
        return ReadinessReport(
            status="ready" if ready else "unready",
            service=self._service,
            checks=dict(zip(self._checks, results, strict=True)),
        )

    async def _run(self, name: str, check: Check) -> CheckResult:
        started = self._clock.monotonic()
        detail = await self._outcome(check)
        self._note(name, detail)
        seconds = round(self._clock.monotonic() - started, 6)
        return CheckResult(status="down" if detail else "up", seconds=seconds, detail=detail)

    def _note(self, name: str, detail: str) -> None:
        """Log it if it is news."""
        if detail and name not in self._down:
            self._down.add(name)
            log.warning("readiness check fails", check=name, error=detail)
        elif not detail and name in self._down:
            self._down.discard(name)
            log.info("readiness check is well again", check=name)

    async def _outcome(self, check: Check) -> str:
        """What is wrong, in words; empty when all is well."""
        try:
            async with asyncio.timeout(self._timeout):
                await check()
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except Exception as error:  # any failure means not ready
            return hide_in_text(str(error)) or type(error).__name__
        return ""


def resident_bytes() -> int:
    """The memory this process holds now; on systems without /proc, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
