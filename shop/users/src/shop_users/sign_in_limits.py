"""How often a password may be guessed wrong, so that nobody finds it out and nobody keeps its owner out.

| counted by            | limit          | holds at                                              |
|-----------------------|----------------|-------------------------------------------------------|
| account and address   | 10 in 15 min   | every address                                         |
| address               | 100 in 15 min  | addresses that the account was never signed in from   |
| account               | 100 in an hour | the same                                              |

Only what failed counts. So whoever guesses everywhere from one place is stopped, and so are many places that guess at
one account; but at an address of their own, owners are stopped by nobody's mistakes except those made there. Accounts
that do not exist are counted like any other. All of it is forgotten when the process ends.

The 100 for one account are those of NIST SP 800-63B, section 5.2.2.
"""

import asyncio
import hashlib
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from atoll.limits.limiter import Limiter
from atoll.limits.policy import LimitPolicy
from shop_users.domain import TooManyWrongGuesses

AT_ONE_PLACE = LimitPolicy("guesses-at-one-place", quota=10, window=900)
FROM_ONE_ADDRESS = LimitPolicy("guesses-from-one-address", quota=100, window=900)
AT_ONE_ACCOUNT = LimitPolicy("guesses-at-one-account", quota=100, window=3600)


class _Count(NamedTuple):
    """One of the windows in which a guess is counted."""

    policy: LimitPolicy
    name: str


class SignInLimits:
    """Counts guesses that were wrong. One that has room only if others are right waits until those are checked."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._in_hand: Counter[_Count] = Counter()
        self._checked = asyncio.Event()

    def __repr__(self) -> str:
        return f"<SignInLimits: {len(self._in_hand)} counts in hand>"

    @asynccontextmanager
    async def guess(self, account: str, place: str, *, is_known: bool) -> AsyncIterator[Callable[[], None]]:
        """Within, one password may be tried; what is given is called when it was wrong.

        `account` is any name for it, `place` an address or its network, and `is_known` whether the account was signed
        in to from there before. Raises `TooManyWrongGuesses`.
        """
        counts = _counts(account, place, is_known=is_known)
        while not self._has_room(counts):
            await self._checked.wait()
        self._in_hand.update(counts)
        try:
            yield lambda: self._was_wrong(counts)
        finally:
            self._put_down(counts)

    def _has_room(self, counts: Sequence[_Count]) -> bool:
        """Whether one more may be wrong, and all in hand as well; raises `TooManyWrongGuesses` when none may."""
        left = [self._limiter.take(count.policy, count.name, 0).remaining for count in counts]
        if not all(left):
            waits = [
                self._limiter.take(*count).retry_after for count, room in zip(counts, left, strict=True) if not room
            ]
            raise TooManyWrongGuesses(retry_after=math.ceil(max(waits)))
        return all(room > self._in_hand[count] for count, room in zip(counts, left, strict=True))

    def _was_wrong(self, counts: Sequence[_Count]) -> None:
        for count in counts:
            self._limiter.take(count.policy, count.name)

    def _put_down(self, counts: Sequence[_Count]) -> None:
        self._in_hand.subtract(counts)
        for count in counts:
            if not self._in_hand[count]:
                del self._in_hand[count]
        self._checked.set()
        self._checked = asyncio.Event()


def _counts(account: str, place: str, *, is_known: bool) -> Sequence[_Count]:
    who, where = _short(account), _short(place)
    here = _Count(AT_ONE_PLACE, f"{who} {where}")
    return [here] if is_known else [here, _Count(FROM_ONE_ADDRESS, where), _Count(AT_ONE_ACCOUNT, who)]


def _short(name: str) -> str:
    """As long for every name, because anybody can make some up."""
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
