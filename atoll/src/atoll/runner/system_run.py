"""One run of a system: carries out what the supervision decides, and tells it what happened."""

import asyncio
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from atoll.clock import Clock, SystemClock
from atoll.runner.environment import Surroundings
from atoll.runner.narrator import Narrator
from atoll.runner.portrait import Portrait
from atoll.runner.processes import Processes
from atoll.runner.service_process import BeganToStop, Ended, Printed, ProcessEvent, Ready
from atoll.runner.supervision import Action, Do, Supervision, TimeLimits
from atoll.runner.system_file import System
from atoll.runner.topology import among
from atoll.runner.view import View

FAILED = 1
STOPPED_AT_ONCE = 130
"""The exit code after a second Ctrl-C; a shell's own for the first."""


class StopAsked:
    """A person, or whoever started us, wants us to stop."""


Event: TypeAlias = ProcessEvent | StopAsked


class SystemRun:
    """Runs the services of a system that belong here until it is told to stop, or its first start fails.

    Everything that happens comes through one queue and is taken in order; after it, the supervision decides.
    """

    def __init__(
        self,
        system: System,
        surroundings: Surroundings,
        view: View,
        *,
        began: float,
        clock: Clock | None = None,
    ) -> None:
        """`began` is the monotonic moment from which the start is timed."""
        clock = clock or SystemClock()
        specs = {name: spec for name, spec in system.services.items() if name in surroundings.runs_here}
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._processes = Processes(specs, surroundings, self._events.put_nowait)
        self._supervision = Supervision(
            among(system.needs(), specs),
            clock,
            limits={name: TimeLimits(spec.start_limit, spec.stop_limit) for name, spec in specs.items()},
        )
        self._ports = surroundings.ports
        self._folder = surroundings.folder
        self._portrait = Portrait(system, self._supervision, self._processes, surroundings.ports, clock)
        self._view = view
        self._narrator = Narrator(system, surroundings.ports, view)
        self._clock = clock
        self._began = began
        self._is_announced = False
        self._is_noted = False

    async def run(self) -> int:
        """Start everything and look after it. Return the exit code once every process is gone."""
        with self._signals_ask_to_stop():
            try:
                await self._processes.load(self._supervision.services)
                await self._look_after()
            finally:
                await self._processes.end_all()
                self._folder.forget()
        self._view.show(self._portrait.rows())
        self._narrator.stopped()
        if self._supervision.failure:
            return FAILED
        return STOPPED_AT_ONCE if self._supervision.killing else 0

    async def _look_after(self) -> None:
        while not self._supervision.everything_has_ended:
            for action in self._supervision.decide():
                await self._carry_out(action)
            self._tell_state()
            for event in await self._next_events():
                self._take(event)

    async def _carry_out(self, action: Action) -> None:
        self._is_noted = False
        match action.do:
            case Do.START:
                await self._processes.start(action.service)
            case Do.TERMINATE:
                self._processes.terminate(action.service)
            case Do.KILL:
                self._processes.kill(action.service)

    def _tell_state(self) -> None:
        if not self._is_noted:
            self._folder.note(self._portrait.note())
            self._is_noted = True
        if self._supervision.everything_is_up and not self._is_announced:
            self._narrator.everything_is_up(self._clock.monotonic() - self._began)
            self._is_announced = True
        self._view.show(self._portrait.rows())

    async def _next_events(self) -> list[Event]:
        """What has happened, in order; empty when it is only time to look again."""
        try:
            async with asyncio.timeout(self._patience()):
                events = [await self._events.get()]
        except TimeoutError:
            return []
        while not self._events.empty():
            events.append(self._events.get_nowait())
        return events

    def _patience(self) -> float | None:
        """For how many seconds nothing needs to be done unless something happens."""
        wake_at = self._supervision.wake_at()
        until_wake = None if wake_at is None else max(0.0, wake_at - self._clock.monotonic())
        limits = [seconds for seconds in (until_wake, self._view.refresh_interval) if seconds is not None]
        return min(limits, default=None)

    def _take(self, event: Event) -> None:
        match event:
            case Printed(process, line):
                self._view.log(process.name, line)
                return
            case Ready(process, ports):
                self._take_ready(process.name, ports)
            case BeganToStop(process):
                self._supervision.began_to_stop(process.name)
            case Ended(process, reason):
                self._narrator.ended(self._supervision.ended(process.name, reason), process)
            case StopAsked():
                self._take_stop()
        self._is_noted = False

    def _take_ready(self, name: str, ports: Mapping[str, int]) -> None:
        self._ports.bound(name, ports)
        self._supervision.became_ready(name)
        self._narrator.service_is_up(name)

    def _take_stop(self) -> None:
        if self._supervision.stopping:
            self._supervision.kill()
        else:
            self._supervision.stop()
            self._narrator.stopping()

    @contextmanager
    def _signals_ask_to_stop(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in asked:
            loop.add_signal_handler(number, self._events.put_nowait, StopAsked())
        try:
            yield
        finally:
            for number in asked:
                loop.remove_signal_handler(number)
