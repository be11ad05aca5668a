"""What goes wrong, and when: made from a seed, so that it can be made again. Decided here, carried out elsewhere."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

BROKER = "broker"
POSTGRES = "postgres"
DISK = "disk"
FORKS = "fork server"
"""Targets beside the services, which have their own names. With the fork server every service dies at once."""


class Fault(StrEnum):
    """What can be done to a target."""

    KILL = "kill"
    FREEZE = "freeze"
    WIPE = "wipe"
    STOP = "stop"
    FILL = "fill"


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: `at` seconds after the beginning, for so many `seconds`; 0 for one that is over at once."""

    at: float
    fault: Fault
    target: str
    seconds: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.fault} {self.target}{lasting}"


LONGEST_FREEZE = 3.0
"""Seconds: longer than the patience of calls, shorter than that of clients."""

PAUSES = (0.2, 2.0)
"""Seconds from one fault to the next."""

_WEIGHTS = {Fault.KILL: 72, Fault.FREEZE: 12, Fault.WIPE: 6, Fault.STOP: 5, Fault.FILL: 5}

_ONLY = {Fault.WIPE: {BROKER}, Fault.STOP: {BROKER}, Fault.FILL: {DISK}}
"""Faults that only some can have."""

_NEVER = {Fault.KILL: {DISK}, Fault.FREEZE: {DISK, POSTGRES, FORKS}}


def storm(seed: str, targets: Sequence[str], *, seconds: float, long_stop: float = 0.0) -> list[Step]:
    """Faults for so many seconds, in order. The broker is stopped once for `long_stop` seconds, if any.

    No target is hurt while it is still hurt.
    """
    chance = random.Random(seed)  # noqa: S311 - to be made again
    steps: list[Step] = []
    free_at = dict.fromkeys(targets, 0.0)

    def add(step: Step) -> None:
        steps.append(step)
        free_at[step.target] = step.at + step.seconds + PAUSES[1]

    if long_stop:
        add(Step(chance.uniform(*PAUSES), Fault.STOP, BROKER, long_stop))
    at = chance.uniform(*PAUSES)
    while at < seconds:
        if step := _step(chance, at, [target for target, free in free_at.items() if free <= at]):
            add(step)
        at += chance.uniform(*PAUSES)
    return sorted(steps, key=lambda step: step.at)


def _step(chance: random.Random, at: float, targets: Sequence[str]) -> Step | None:
    """A fault for one of them; None when there is none for it."""
    (fault,) = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    possible = [each for each in targets if each in _ONLY.get(fault, targets) and each not in _NEVER.get(fault, ())]
    if not possible:
        return None
    lasts = fault in {Fault.FREEZE, Fault.STOP, Fault.FILL}
    return Step(at, fault, chance.choice(possible), chance.uniform(0.2, LONGEST_FREEZE) if lasts else 0.0)
