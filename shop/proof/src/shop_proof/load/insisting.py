"""As a good client does: no answer, or "not now", is asked again, with the same key, after a pause."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from atoll.clock import Clock
from shop_proof.load.door import Ask, Door, NoAnswer, Reply

PATIENCE = 20.0
"""Seconds after which nobody insists any more: a service that died is back long before."""

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0

NOT_NOW = frozenset((429, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class Insisted:
    """The last answer; None when there was none."""

    reply: Reply | None

    @property
    def status(self) -> int:
        """0 when there was no answer."""
        return self.reply.status if self.reply else 0


class Insisting:
    """Asks until there is an answer that counts, or patience is at its end.

    `repeated` hears before each repetition what came instead: a status, or 0 for no answer.
    """

    def __init__(self, door: Door, repeated: Callable[[int], None], clock: Clock, chance: random.Random) -> None:
        self._door = door
        self._repeated = repeated
        self._clock = clock
        self._chance = chance

    async def __call__(self, ask: Ask, *, still_runs: int = 0) -> Insisted:
        """The answer to the same request, as often as it takes.

        `still_runs` is the status that says that an earlier attempt with the key is not finished.
        """
        give_up = self._clock.monotonic() + PATIENCE
        for attempt in itertools.count():
            reply = await self._once(ask)
            status = reply.status if reply else 0
            if status not in {0, still_runs, *NOT_NOW}:
                return Insisted(reply)
            pause = self._pause(attempt, reply)
            if self._clock.monotonic() + pause >= give_up:
                return Insisted(reply)
            self._repeated(status)
            await self._clock.sleep(pause)
        raise AssertionError("There is always another attempt.")

    async def _once(self, ask: Ask) -> Reply | None:
        try:
            return await self._door.ask(ask)
        except NoAnswer:
            return None

    def _pause(self, attempts: int, reply: Reply | None) -> float:
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts, 10))
        return max(self._chance.uniform(0, longest), reply.retry_after if reply else 0.0)
