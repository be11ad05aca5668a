"""How long to wait for a registry that is away."""

import random


class Pauses:
    """Growing pauses between tries that fail: doubling, with jitter, so that clients do not come back as one.

    Each is between half and all of a bound that doubles from `first` to `longest` seconds.
    """

    def __init__(self, first: float = 0.1, longest: float = 5.0, chance: random.Random | None = None) -> None:
        self._first = first
        self._longest = longest
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._bound = first

    def next(self) -> float:
        """Seconds to wait before the next try."""
        bound = self._bound
        self._bound = min(self._longest, bound * 2)
        return bound * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """A try went well: begin with short pauses the next time."""
        self._bound = self._first
