"""One run of a system: carries out what the supervision decides, and tells it what happened."""

import asyncio
import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from atoll.clock import Clock, SystemClock
from atoll.runner.environment import Surroundings
from atoll.runner.narrator import Narrator
from atoll.runner.portrait import Portrait
from atoll.runner.processes import Processes
from atoll.runner.readiness import unready_services
from atoll.runner.service_process import BeganToStop, Ended, Printed, ProcessEvent, Ready
from atoll.runner.supervision import Action, Do, Supervision, TimeLimits
from atoll.runner.system_file import System
from atoll.runner.topology import among
from atoll.runner.view import View

FAILED = 1
STOPPED_AT_ONCE = 130
"""The exit code after a second Ctrl-C; a shell's own for the first."""

REFRESH_INTERVAL = 1.0
"""Seconds between two looks at the services although nothing happened."""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopAsked:
    """A person, or whoever started us, wants us to stop."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Everything is up for the first time, and ready but for the `unready` services, which may take long."""

    unready: Sequence[str]


Event: TypeAlias = ProcessEvent | StopAsked | Settled


class SystemRun:
    """The services of a system that belong here, from loading their programs to the end of the last process.

    Entering the context starts every process, held; leaving it ends whatever is left. Everything that happens
    comes through one queue and is taken in order; after it, the supervision decides.
    """

    def __init__(self, system: System, surroundings: Surroundings, *, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        specs = {name: spec for name, spec in system.services.items() if name in surroundings.runs_here}
        self._system = system
        self._clock = clock
        self._ports = surroundings.ports
        self._folder = surroundings.folder
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._processes = Processes(specs, surroundings, self._events.put_nowait)
        self._supervision = Supervision(
            among(system.needs(), specs),
            clock,
            limits={name: TimeLimits(spec.start_limit, spec.stop_limit) for name, spec in specs.items()},
        )
        self._portrait = Portrait(system, self._supervision, self._processes, surroundings.ports, clock)
        self._settling: asyncio.Task[None] | None = None
        self._has_changed = True
        self._show_at = -math.inf

    async def __aenter__(self) -> Self:
        for number in _STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._events.put_nowait, StopAsked())
        try:
            await self._processes.load(self._supervision.services)
        except BaseException:
            await self._processes.end_all()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._settling is not None:
            self._settling.cancel()
        await self._processes.end_all()
        self._folder.forget()

    async def look_after(self, view: View, *, began: float) -> int:
        """Start the services, and start again what dies, until it is time to stop; return the exit code.

        `began` is the monotonic moment from which the start is timed.
        """
        narrator = Narrator(self._system, self._ports, view, began=began, clock=self._clock)
        while not self._supervision.everything_has_ended:
            for action in self._supervision.decide():
                await self._carry_out(action)
            if self._supervision.everything_is_up and self._settling is None:
                self._settling = asyncio.create_task(self._settle())
            self._tell_state(view, narrator)
            for event in await self._next_events():
                self._take(event, view, narrator)
        view.show(self._portrait.rows())
        narrator.stopped()
        return self._exit_code()

    async def _carry_out(self, action: Action) -> None:
        self._has_changed = True
        match action.do:
            case Do.START:
                await self._processes.start(action.service)
            case Do.TERMINATE:
                self._processes.terminate(action.service)
            case Do.KILL:
                self._processes.kill(action.service)

    def _tell_state(self, view: View, narrator: Narrator) -> None:
        """Write down and show how everything is, if that is news; bring out what was printed in any case."""
        now = self._clock.monotonic()
        if self._has_changed or now >= self._show_at:
            view.show(self._portrait.rows())
            self._show_at = now + REFRESH_INTERVAL
        if self._has_changed:
            self._has_changed = not self._noted(narrator)
        view.flush()

    def _noted(self, narrator: Narrator) -> bool:
        """Write down how everything is; False when the disk is full, say: that ends nobody, and is tried again."""
        try:
            self._folder.note(self._portrait.note())
        except OSError as error:
            narrator.note_failed(error)
            return False
        narrator.note_written()
        return True

    async def _next_events(self) -> list[Event]:
        """What has happened, in order; empty when it is only time to look again."""
        look_again_at = min(self._supervision.wake_at() or math.inf, self._show_at)
        try:
            async with asyncio.timeout(max(0.0, look_again_at - self._clock.monotonic())):
                events = [await self._events.get()]
        except TimeoutError:
            return []
        while not self._events.empty():
            events.append(self._events.get_nowait())
        return events

    def _take(self, event: Event, view: View, narrator: Narrator) -> None:
        match event:
            case Printed(process, line):
                view.log(process.name, line)
                return
            case Ready(process, ports):
                self._take_ready(process.name, ports)
                narrator.service_is_up(process.name)
            case BeganToStop(process):
                self._supervision.began_to_stop(process.name)
            case Ended(process, reason):
                narrator.ended(self._supervision.ended(process.name, reason), event)
            case StopAsked():
                self._take_stop(narrator)
            case Settled(unready):
                narrator.everything_is_up(unready)
        self._has_changed = True

    def _take_ready(self, name: str, ports: Mapping[str, int]) -> None:
        self._ports.bound(name, ports)
        self._supervision.became_ready(name)

    async def _settle(self) -> None:
        """Wait for the first time that everything can do its work."""
        urls = {name: self._ports.operations_url(name) for name in self._supervision.services}
        self._events.put_nowait(Settled(await unready_services({name: url for name, url in urls.items() if url})))

    def _take_stop(self, narrator: Narrator) -> None:
        if self._supervision.stopping:
            self._supervision.kill()
        else:
            self._supervision.stop()
            narrator.stopping()

    def _exit_code(self) -> int:
        if self._supervision.failure:
            return FAILED
        return STOPPED_AT_ONCE if self._supervision.killing else 0
