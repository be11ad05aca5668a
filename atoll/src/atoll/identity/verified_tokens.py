"""Tokens that were checked already: verifying a signature costs some 200 µs, finding it here less than one."""

from collections import OrderedDict
from dataclasses import dataclass

from atoll.identity.keys import VerifyingKey
from atoll.identity.principal import Principal

DEFAULT_CAPACITY = 10_000
"""Tokens; each takes some 1,000 bytes here."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Who a good token speaks for, until when (Unix seconds), and the published key it rests on, if any."""

    principal: Principal
    usable_until: float
    key: VerifyingKey | None = None


class VerifiedTokens:
    """Good tokens by their text; the least recently used one makes room.

    How long a look takes tells nobody a token: to be compared at all, a guess must first have the same keyed hash
    (SipHash, with a key of this process). A digest in place of the text would cost more than all of the look.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._tokens: OrderedDict[str, VerifiedToken] = OrderedDict()

    def find(self, token: str, now: float) -> VerifiedToken | None:
        """What is known of the token, unless it has expired at `now` (Unix seconds)."""
        known = self._tokens.get(token)
        if known is None:
            return None
        if now >= known.usable_until:
            del self._tokens[token]
            return None
        self._tokens.move_to_end(token)
        return known

    def add(self, token: str, verified: VerifiedToken) -> None:
        self._tokens[token] = verified
        if len(self._tokens) > self._capacity:
            self._tokens.popitem(last=False)

    def discard(self, token: str) -> None:
        self._tokens.pop(token, None)

    def __len__(self) -> int:
        return len(self._tokens)
