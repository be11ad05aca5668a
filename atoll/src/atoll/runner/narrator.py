"""Puts into words what happens to a system."""

from collections.abc import Sequence

from atoll.clock import Clock
from atoll.runner.ports import PortPlan, TakenPort
from atoll.runner.service_process import Ended
from atoll.runner.supervision import End, State
from atoll.runner.system_file import GATEWAY_MODULE, System
from atoll.runner.view import Tone, View


class Narrator:
    """Says each thing once, through the view."""

    def __init__(self, system: System, ports: PortPlan, view: View, *, began: float, clock: Clock) -> None:
        """`began` is the monotonic moment from which the start is timed."""
        self._system = system
        self._ports = ports
        self._view = view
        self._began = began
        self._clock = clock
        self._note_is_old = False

    def service_is_up(self, name: str) -> None:
        port = self._ports.of(name)["port"]
        self._view.say(f"{name} is up on port {port}." if port else f"{name} is up.")

    def everything_is_up(self, unready: Sequence[str]) -> None:
        """The first time; `unready` are the services that run but miss something."""
        seconds = self._clock.monotonic() - self._began
        gateway = self._system.service_running(GATEWAY_MODULE)
        url = self._ports.url(gateway) if gateway else ""
        self._view.say(f"{self._system.name} is up after {seconds:.1f} s{f': {url}' if url else '.'}", Tone.GOOD)
        if url:
            self._view.say(f"Try: curl {url}{self._system.first_call}", Tone.GOOD)
        for name in unready:
            self._view.say(f"{name} is not ready yet; `atoll status` says what it misses.", Tone.BAD)

    def note_failed(self, error: OSError) -> None:
        """What runs could not be written down; said once until it can be."""
        if not self._note_is_old:
            self._note_is_old = True
            reason = error.strerror or error
            self._view.say(f"What runs cannot be written down: {reason}. `atoll status` shows an old state.", Tone.BAD)

    def note_written(self) -> None:
        if self._note_is_old:
            self._note_is_old = False
            self._view.say("What runs is written down again.", Tone.GOOD)

    def stopping(self) -> None:
        self._view.say("Stopping. Ctrl-C once more stops everything at once.")

    def ended(self, end: End, event: Ended) -> None:
        """A process is gone; a service that stops as it should needs no words."""
        match end.state:
            case State.PAUSED:
                self._view.say(f"{end.service} {end.reason}; it starts again in {end.pause:.1f} s.", Tone.BAD)
            case State.FAILED:
                self._start_failed(end, event)
            case State.STOPPED if "killed" in end.reason:
                self._view.say(f"{end.service} {end.reason}.", Tone.BAD)

    def stopped(self) -> None:
        self._view.say("Everything has stopped.")

    def _start_failed(self, end: End, event: Ended) -> None:
        if lines := event.process.last_lines:
            self._view.say("\n".join([f"The last lines of {end.service}:", *(f"    {line}" for line in lines)]))
        self._view.say(f"{end.service} did not start: it {end.reason}. {event.own_reason}".rstrip(), Tone.BAD)
        taken = self._ports.taken([end.service])
        if taken:
            self._view.say(taken_ports_message(taken), Tone.BAD)
        self._view.say("Stopping what has started.")


def taken_ports_message(taken: Sequence[TakenPort]) -> str:
    """Which service cannot have which port, and what to do; one sentence a line."""
    return "\n".join(
        [
            *map(str, taken),
            "Stop that program, or start on other ports: atoll up --port-base 4000 (0 takes any free ones).",
        ]
    )
