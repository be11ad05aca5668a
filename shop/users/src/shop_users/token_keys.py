"""The keys that sign access tokens, and what each does at which time. No I/O.

    published ──────────▶ signs ──────────▶ has signed ──────────▶ removed
             at least LEAD     until the next       at least STAYS
                               key signs

A key is known to everyone who checks tokens before it signs, and until the last token that it signed has expired. There
is always one key that signs and one that stands ready for the moment when that one is withdrawn.

All moments are milliseconds since 1970, as `atoll.clock.to_millis` has them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final

from atoll.identity.jwks import REFRESH_INTERVAL
from atoll.identity.keys import SigningKey
from atoll.identity.tokens import CLOCK_SKEW, TOKEN_LIFETIME

LEAD: Final = (REFRESH_INTERVAL + 2 * CLOCK_SKEW) * 1000
"""How long a key is published before it signs: the interval at which everyone fetches, with room for the fetch itself
and for clocks that differ."""

STAYS: Final = (TOKEN_LIFETIME + 2 * CLOCK_SKEW) * 1000
"""How long a key stays published when it signs no more: the life of its last token, as the slowest clocks see it."""


@dataclass(frozen=True)
class TokenKey:
    """A key, as JSON, and its times; `signs_from` is None until it is known when."""

    number: int
    private_key: str = field(repr=False)
    published_at: int
    signs_from: int | None

    @cached_property
    def signing_key(self) -> SigningKey:
        return SigningKey.from_json(self.private_key)

    @property
    def kid(self) -> str:
        return self.signing_key.kid

    @property
    def begins(self) -> float:
        """When it begins to sign, or did; infinite until that is known."""
        return math.inf if self.signs_from is None else self.signs_from

    @property
    def may_sign_from(self) -> int:
        """From when on everyone knows it."""
        return self.published_at + LEAD


class KeyUnknown(LookupError):
    """No published key, or more than one, is meant by an id."""


def signing(keys: Sequence[TokenKey], now: int) -> TokenKey | None:
    """The key that signs now: the one that began last.

    Where a clock is behind, no key may have begun; then it is the one that begins first.
    """
    begun = _begun(keys, now)
    return begun[-1] if begun else min(keys, key=lambda key: (key.begins, key.number), default=None)


def waiting(keys: Sequence[TokenKey], now: int) -> list[TokenKey]:
    """The keys that have not begun to sign, the one that has been published longest first."""
    return sorted((key for key in keys if key.begins > now), key=lambda key: (key.published_at, key.number))


def standing_ready(keys: Sequence[TokenKey], now: int) -> TokenKey | None:
    """The key that signs next."""
    current = signing(keys, now)
    return next((key for key in waiting(keys, now) if key != current), None)


def outlived(keys: Sequence[TokenKey], now: int) -> list[TokenKey]:
    """The keys whose every token has expired."""
    return [key for key, successor in pairwise(_begun(keys, now)) if successor.begins + STAYS <= now]


def named(keys: Sequence[TokenKey], kid: str) -> TokenKey:
    """The key with this id, of which the beginning is enough; raises `KeyUnknown`."""
    meant = [key for key in keys if kid and key.kid.startswith(kid)]
    if not meant:
        raise KeyUnknown(f"There is no key {kid!r} any more, or there never was.")
    if len(meant) > 1:
        raise KeyUnknown(f"More than one key begins with {kid!r}; write more of the one that is meant.")
    return meant[0]


def _begun(keys: Sequence[TokenKey], now: int) -> list[TokenKey]:
    """Those that sign or have signed, in the order in which they began."""
    return sorted((key for key in keys if key.begins <= now), key=lambda key: (key.begins, key.number))
