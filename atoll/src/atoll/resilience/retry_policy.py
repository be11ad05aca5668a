"""How often something is tried, and how long to wait in between."""

import random
from dataclasses import dataclass

_MAX_DOUBLINGS = 60


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `max_attempts`, the first included, with a random pause between two of them.

    Before attempt n + 1 the pause is between 0 and `initial_backoff` times 2 to the power of n - 1 seconds,
    never more than `max_backoff`: "full jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015), so
    that those who failed together do not come back together. Three attempts are the AWS SDKs' standard mode
    and Resilience4j's `maxAttempts`.
    """

    max_attempts: int = 3
    initial_backoff: float = 0.05
    max_backoff: float = 2.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or self.initial_backoff < 0 or self.max_backoff < 0:
            raise ValueError("there is at least one attempt, and no pause is shorter than nothing")

    def pause(self, attempts: int, chance: random.Random) -> float:
        """Seconds to wait when `attempts` have failed."""
        bound = self.initial_backoff * 2.0 ** min(attempts - 1, _MAX_DOUBLINGS)
        return chance.uniform(0.0, min(self.max_backoff, bound))


DEFAULT_RETRY = RetryPolicy()
