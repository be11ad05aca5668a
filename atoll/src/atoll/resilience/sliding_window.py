"""The last calls and how they ended: by their number, or by their age. After Resilience4j's sliding windows.

https://resilience4j.readme.io/docs/circuitbreaker
"""

from typing import Protocol


class SlidingWindow(Protocol):
    """Sums over the calls that count now. Recording and asking take constant time."""

    calls: int
    failures: int
    slow_calls: int

    def record(self, now: float, *, failed: bool, slow: bool) -> None:
        """A call ended at `now`, in monotonic seconds."""

    def forget_old(self, now: float) -> None:
        """Leave out what does not count any more at `now`."""

    def clear(self) -> None:
        """Begin anew."""


class CountWindow:
    """The last `size` calls."""

    __slots__ = ("_next", "_ring", "calls", "failures", "slow_calls")

    def __init__(self, size: int) -> None:
        self._ring: list[tuple[bool, bool] | None] = [None] * size
        self._next = 0
        self.calls = self.failures = self.slow_calls = 0

    def record(self, now: float, *, failed: bool, slow: bool) -> None:
        oldest = self._ring[self._next]
        if oldest is None:
            self.calls += 1
        else:
            self.failures -= oldest[0]
            self.slow_calls -= oldest[1]
        self._ring[self._next] = (failed, slow)
        self._next = (self._next + 1) % len(self._ring)
        self.failures += failed
        self.slow_calls += slow

    def forget_old(self, now: float) -> None:
        pass

    def clear(self) -> None:
        self._ring = [None] * len(self._ring)
        self._next = self.calls = self.failures = self.slow_calls = 0


class TimeWindow:
    """The calls of the last `seconds`, in a bucket for each second: the second that has begun, and those before."""

    __slots__ = ("_bucket", "_buckets", "_second", "calls", "failures", "slow_calls")

    def __init__(self, seconds: int) -> None:
        self._buckets = [[0, 0, 0] for _ in range(seconds)]
        self._bucket = self._buckets[0]
        self._second = 0
        self.calls = self.failures = self.slow_calls = 0

    def record(self, now: float, *, failed: bool, slow: bool) -> None:
        if not 0.0 <= now - self._second < 1.0:
            self.forget_old(now)
        bucket = self._bucket
        bucket[0] += 1
        self.calls += 1
        if failed:
            bucket[1] += 1
            self.failures += 1
        if slow:
            bucket[2] += 1
            self.slow_calls += 1

    def forget_old(self, now: float) -> None:
        second = int(now)
        passed = min(second - self._second, len(self._buckets))
        for gone in range(self._second + 1, self._second + passed + 1):
            self._empty(self._buckets[gone % len(self._buckets)])
        self._second = second
        self._bucket = self._buckets[second % len(self._buckets)]

    def clear(self) -> None:
        for bucket in self._buckets:
            self._empty(bucket)

    def _empty(self, bucket: list[int]) -> None:
        calls, failures, slow_calls = bucket
        self.calls -= calls
        self.failures -= failures
        self.slow_calls -= slow_calls
        bucket[:] = 0, 0, 0
