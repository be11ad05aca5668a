"""What becomes of an event that cannot be handled: it is tried again, after growing pauses, and then it is dead.

It waits in a table of the service, not at the broker: so it holds up nobody, survives the broker, and is counted.
"""

import traceback
from dataclasses import dataclass, replace
from typing import Any

from atoll.clock import Clock, to_millis
from atoll.events import inbox_table as table
from atoll.events.envelope import Event
from atoll.events.handlers import HandledHook, Handlers
from atoll.events.inbox_table import Failure
from atoll.events.metrics import EventMetrics
from atoll.events.unavailability import UNAVAILABLE, BackOff
from atoll.observability.logging import get_logger
from atoll.observability.tracing import TraceContext
from atoll.storage import Database, Transaction

LOOK_EVERY = 0.5
AT_ONCE = 100
LONGEST_STACK = 20_000

log = get_logger()


@dataclass(frozen=True, slots=True)
class RedeliveryPolicy:
    """At most `max_deliveries`, the first included; pauses between them double, from and to so many seconds."""

    max_deliveries: int = 5
    first_pause: float = 1.0
    longest_pause: float = 60.0

    def pause(self, deliveries: int) -> float:
        """Seconds after so many deliveries."""
        return float(min(self.longest_pause, self.first_pause * 2.0 ** min(deliveries - 1, 60)))


DEFAULT_REDELIVERY = RedeliveryPolicy()


class Failures:
    """Sets events aside, and tries them again: each in transactions of its own."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        metrics: EventMetrics,
        clock: Clock,
        *,
        policy: RedeliveryPolicy = DEFAULT_REDELIVERY,
        handled: HandledHook | None = None,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._metrics = metrics
        self._clock = clock
        self._policy = policy
        self._handled = handled
        self._back_off = BackOff("retries", clock)

    def __repr__(self) -> str:
        return f"<Failures, {self._back_off!r}>"

    async def set_aside(
        self,
        event_id: str,
        type_: str,
        body: bytes,
        error: BaseException,
        *,
        traceparent: str | None,
        hopeless: bool = False,
    ) -> None:
        """Keep an event whose handling failed with `error`, to try it again later, unless it is `hopeless`."""
        now = self._now()
        failure = Failure(
            event_id=event_id,
            type=type_,
            body=body,
            deliveries=1,
            next_at=None if hopeless else now + self._pause(1),
            reason=_reason(error),
            stack=_stack(error),
            trace_id=TraceContext.parse(traceparent).trace_id,
            first_failed_at=now,
            last_failed_at=now,
        )

        async def keep(tx: Transaction) -> bool:
            if not await table.note(tx, [event_id], now):
                return False
            await table.set_aside(tx, failure)
            return True

        if await self._database.transaction(keep):
            self._tell(failure, is_dead=hopeless)

    async def run(self) -> None:
        """Try again what is due, until cancelled."""
        while True:
            try:
                tried = await self.turn()
                retrying, dead = await self._database.read(table.counts)
            except UNAVAILABLE as error:
                await self._back_off.pause(error)
                continue
            self._back_off.went_well()
            self._metrics.set_aside(retrying=retrying, dead=dead)
            if tried < AT_ONCE:
                await self._clock.sleep(LOOK_EVERY)

    async def turn(self) -> int:
        """Try again what is due now, one by one; how many that were."""
        failures = await self._database.read(lambda reading: table.due(reading, self._now(), AT_ONCE))
        for failure in failures:
            await self._try(failure)
        return len(failures)

    async def _try(self, failure: Failure) -> None:
        """Count the attempt first: one that ends the process counts too."""
        if failure.deliveries >= self._policy.max_deliveries:
            await self._bury(failure)
            return
        deliveries = failure.deliveries + 1
        next_at = self._now() + self._pause(deliveries)
        if not await self._database.transaction(lambda tx: table.try_again(tx, failure, next_at)):
            return
        self._metrics.retried.count(failure.type)
        try:
            handled = await self._database.transaction(lambda tx: self._act(failure, tx))
        except UNAVAILABLE:
            raise
        except Exception as error:
            await self._failed_again(failure, deliveries, next_at, error)
            return
        if handled is None:
            return
        self._metrics.handled.count(failure.type)
        log.info("event handled after all", id=failure.event_id, type=failure.type, deliveries=deliveries)
        if self._handled is not None:
            self._handled([handled])

    async def _act(self, failure: Failure, tx: Transaction) -> Event[Any] | None:
        """The event, now handled; None when somebody else has done so."""
        if not await table.done(tx, failure.event_id):
            return None
        event = self._handlers.read(failure.body, failure.type)
        await self._handlers.act([event], tx)
        return event

    async def _failed_again(self, failure: Failure, deliveries: int, next_at: int, error: Exception) -> None:
        is_dead = deliveries >= self._policy.max_deliveries
        outcome = replace(
            failure,
            next_at=None if is_dead else next_at,
            deliveries=deliveries,
            reason=_reason(error),
            stack=_stack(error),
            last_failed_at=self._now(),
        )
        await self._database.transaction(lambda tx: table.failed_again(tx, outcome))
        self._tell(outcome, is_dead=is_dead)

    async def _bury(self, failure: Failure) -> None:
        """The last attempt did not even end."""
        if await self._database.transaction(lambda tx: table.bury(tx, failure)):
            self._tell(failure, is_dead=True)

    def _tell(self, failure: Failure, *, is_dead: bool) -> None:
        self._metrics.failed.count(failure.type)
        facts = {
            "id": failure.event_id,
            "type": failure.type,
            "deliveries": failure.deliveries,
            "reason": failure.reason,
            "trace_id": failure.trace_id,
        }
        if is_dead:
            self._metrics.dead.count(failure.type)
            log.error("event is a dead letter", **facts)
        else:
            log.warning("event failed", **facts)

    def _pause(self, deliveries: int) -> int:
        return int(self._policy.pause(deliveries) * 1000)

    def _now(self) -> int:
        return to_millis(self._clock.now())


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _stack(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-LONGEST_STACK:]
