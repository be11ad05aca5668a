"""Latencies by the million in little memory: counted in classes each 1 % wider than the last."""

import math
from collections import Counter

_WIDTH = math.log(1.01)
_SMALLEST = 1e-6
"""Seconds; what is faster counts as this."""


class Latencies:
    """Counts latencies, in seconds. A quantile is at most 1 % too high, and the maximum is exact."""

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()
        self.count = 0
        self.highest = 0.0

    def add(self, seconds: float) -> None:
        self._classes[math.ceil(math.log(max(seconds, _SMALLEST)) / _WIDTH)] += 1
        self.count += 1
        self.highest = max(self.highest, seconds)

    def quantile(self, share: float) -> float:
        """The latency within which that share of all lies, such as 0.99; 0 when there are none."""
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for number in sorted(self._classes):
            seen += self._classes[number]
            if seen >= wanted:
                return min(math.exp(number * _WIDTH), self.highest)
        return 0.0
