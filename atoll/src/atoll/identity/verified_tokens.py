"""Tokens that were checked already: verifying a signature costs some 200 µs, finding it here about one."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from atoll.identity.keys import VerifyingKey
from atoll.identity.principal import Principal

DEFAULT_CAPACITY = 10_000
"""Tokens; each takes some 500 bytes here."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Who a good token speaks for, until when (Unix seconds), and the published key it rests on, if any."""

    principal: Principal
    usable_until: float
    key: VerifyingKey | None = None


class VerifiedTokens:
    """Good tokens by their SHA-256, never by their text; the least recently used one makes room."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._tokens: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def find(self, token: str, now: float) -> VerifiedToken | None:
        """What is known of the token, unless it has expired at `now` (Unix seconds)."""
        digest = _digest(token)
        known = self._tokens.get(digest)
        if known is None:
            return None
        if now >= known.usable_until:
            del self._tokens[digest]
            return None
        self._tokens.move_to_end(digest)
        return known

    def add(self, token: str, verified: VerifiedToken) -> None:
        self._tokens[_digest(token)] = verified
        if len(self._tokens) > self._capacity:
            self._tokens.popitem(last=False)

    def discard(self, token: str) -> None:
        self._tokens.pop(_digest(token), None)

    def __len__(self) -> int:
        return len(self._tokens)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
