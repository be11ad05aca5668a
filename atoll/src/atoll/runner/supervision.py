"""What to start, stop and kill next: decided here without touching a process, carried out elsewhere.

A service's way, where `!` means that its process ended by itself:

    waiting → starting → up ─!→ paused → starting …
                  └─!→ failed: at first start, everything stops
    any → stopping → stopped

Tell it what happened (`became_ready`, `ended`, `stop`), then ask `decide()`; again when `wake_at()` comes.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from atoll.clock import Clock
from atoll.runner.restart_pauses import RestartPauses
from atoll.runner.topology import Needs, needed_by, start_order

START_LIMIT = 30.0
STOP_LIMIT = 30.0
"""Longer than the 25 s that a service gives to requests in hand."""


class State(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def has_process(self) -> bool:
        return self in {State.STARTING, State.UP, State.STOPPING}


class Do(StrEnum):
    START = "start"
    TERMINATE = "terminate"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do to the process of `service`."""

    do: Do
    service: str


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds that a service may take to become ready, and to stop, before it is killed."""

    start: float = START_LIMIT
    stop: float = STOP_LIMIT


@dataclass(frozen=True, slots=True)
class End:
    """A process that is gone: why (`reason` ends the sentence "orders …"), and what its service does now.

    `pause` is the seconds until it starts again, when it does.
    """

    service: str
    reason: str
    state: State
    pause: float = 0.0


class Supervised:
    """One service as the supervision sees it; moments are monotonic seconds."""

    def __init__(self, limits: TimeLimits, pauses: RestartPauses) -> None:
        self.limits = limits
        self.state = State.WAITING
        self.restarts = 0
        self.up_since: float | None = None
        self.was_up = False
        self.overdue = ""
        self._pauses = pauses
        self._deadline: float | None = None

    def __repr__(self) -> str:
        return f"<Supervised {self.state}, {self.restarts} restarts>"

    def start(self, now: float) -> None:
        self.state, self._deadline = State.STARTING, now + self.limits.start

    def become_ready(self, now: float) -> None:
        self.state, self._deadline = State.UP, None
        self.up_since, self.was_up = now, True

    def begin_to_stop(self, now: float) -> None:
        self.state, self._deadline = State.STOPPING, now + self.limits.stop

    def give_up_waiting(self, now: float) -> None:
        """Remember why the process must be killed, and expect nothing more of it than its end."""
        self.overdue = f"{self._failed_duty()} and was killed" if self.is_due(now) else "was killed"
        self._deadline = None

    def pause(self, now: float) -> float:
        """Wait before the next start; return for how many seconds."""
        seconds = self._pauses.after(now - self.up_since if self.up_since is not None else 0.0)
        self.restarts += 1
        self._leave(State.PAUSED)
        self._deadline = now + seconds
        return seconds

    def rest(self, state: State) -> None:
        """End in a state without a process and without anything to wait for."""
        self._leave(state)
        self._deadline = None

    def deadline(self) -> float | None:
        """When `state` must end if nothing happens; None when it may last for ever."""
        return self._deadline

    def is_due(self, now: float) -> bool:
        return self._deadline is not None and self._deadline <= now

    def _failed_duty(self) -> str:
        if self.state is State.STARTING:
            return f"was not ready after {self.limits.start:g} seconds"
        return f"had not stopped after {self.limits.stop:g} seconds"

    def _leave(self, state: State) -> None:
        self.state, self.up_since, self.overdue = state, None, ""


class Supervision:
    """The state of every service, and what should be done about it.

    A service starts when each one it needs has been up once; whenever it ends by itself it is started again,
    after a pause. When one ends before it was ever ready, `failure` says so and everything stops. Stopping
    goes in reverse: a service is told once nothing that needs it is running.
    """

    def __init__(
        self,
        needs: Needs,
        clock: Clock,
        *,
        limits: Mapping[str, TimeLimits] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.services = {
            name: Supervised((limits or {}).get(name, TimeLimits()), RestartPauses(chance))
            for name in start_order(needs)
        }
        self.stopping = False
        self.failure: End | None = None
        self.killing = False
        self._clock = clock
        self._needs = needs
        self._needed_by = needed_by(needs)

    @property
    def everything_is_up(self) -> bool:
        return all(service.state is State.UP for service in self.services.values())

    @property
    def everything_has_ended(self) -> bool:
        return self.stopping and not any(service.state.has_process for service in self.services.values())

    def became_ready(self, name: str) -> None:
        """The process of `name` says that it serves."""
        service = self.services[name]
        if service.state is State.STARTING and not service.overdue:
            service.become_ready(self._clock.monotonic())

    def began_to_stop(self, name: str) -> None:
        """The process of `name` says that it stops, although nobody here told it to."""
        service = self.services[name]
        if service.state in {State.STARTING, State.UP}:
            service.begin_to_stop(self._clock.monotonic())

    def ended(self, name: str, reason: str) -> End:
        """The process of `name` is gone, for the `reason` given unless it was killed from here."""
        service = self.services[name]
        reason = service.overdue or reason
        if self.stopping:
            service.rest(State.STOPPED)
            return End(name, reason, State.STOPPED)
        if service.was_up:
            return End(name, reason, State.PAUSED, service.pause(self._clock.monotonic()))
        service.rest(State.FAILED)
        self.failure = End(name, reason, State.FAILED)
        self.stop()
        return self.failure

    def stop(self) -> None:
        """Stop everything in reverse order; may be called again."""
        self.stopping = True

    def kill(self) -> None:
        """Stop everything now."""
        self.stopping = self.killing = True

    def decide(self) -> list[Action]:
        """What is to be done now. Each action is returned once, and taken as begun."""
        now = self._clock.monotonic()
        return self._kills(now) + (self._stops(now) if self.stopping else self._starts(now))

    def wake_at(self) -> float | None:
        """The monotonic moment at which to decide again even if nothing happens; None for never."""
        return min((d for s in self.services.values() if (d := s.deadline()) is not None), default=None)

    def _starts(self, now: float) -> list[Action]:
        startable = [name for name in self.services if self._may_start(name, now)]
        for name in startable:
            self.services[name].start(now)
        return [Action(Do.START, name) for name in startable]

    def _may_start(self, name: str, now: float) -> bool:
        service = self.services[name]
        if service.state is State.PAUSED:
            return service.is_due(now)
        return service.state is State.WAITING and all(self.services[need].was_up for need in self._needs[name])

    def _stops(self, now: float) -> list[Action]:
        for service in self.services.values():
            if service.state in {State.WAITING, State.PAUSED}:
                service.rest(State.STOPPED)
        stoppable = [name for name in self.services if self._may_stop(name)]
        for name in stoppable:
            self.services[name].begin_to_stop(now)
        return [Action(Do.TERMINATE, name) for name in stoppable]

    def _may_stop(self, name: str) -> bool:
        service = self.services[name]
        if service.state not in {State.STARTING, State.UP} or service.overdue:
            return False
        return not any(self.services[other].state.has_process for other in self._needed_by[name])

    def _kills(self, now: float) -> list[Action]:
        doomed = [name for name, service in self.services.items() if self._must_be_killed(service, now)]
        for name in doomed:
            self.services[name].give_up_waiting(now)
        return [Action(Do.KILL, name) for name in doomed]

    def _must_be_killed(self, service: Supervised, now: float) -> bool:
        if not service.state.has_process or service.overdue:
            return False
        return self.killing or service.is_due(now)
