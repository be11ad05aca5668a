"""How long to wait before starting again what has died."""

import random

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
STABLE_AFTER = 60.0


class RestartPauses:
    """Pauses in seconds: 0.2, doubling up to 10; back to the first after a minute of being up.

    Each is shortened by chance by up to a quarter, so that services that died together do not come back as
    one.
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._next = FIRST_PAUSE

    def after(self, seconds_up: float) -> float:
        """The pause that follows a death after `seconds_up` of being ready (0 when it never was)."""
        if seconds_up >= STABLE_AFTER:
            self._next = FIRST_PAUSE
        pause = self._next
        self._next = min(LONGEST_PAUSE, pause * 2)
        return pause * self._chance.uniform(0.75, 1.0)
