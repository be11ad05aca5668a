"""Ids come in through here: UUIDv7 by default, and deterministic ones where a retry must find the same."""

import hashlib
import random
import secrets
from collections.abc import Callable

from atoll.clock import Clock, SystemClock

NewId = Callable[[], str]
"""Makes a new unique id at each call; ids made later sort later, to the millisecond."""

_RANDOM_BITS = 74
_RANDOM_B_BITS = 62


def uuid7(clock: Clock | None = None, chance: random.Random | None = None) -> NewId:
    """A source of UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, 74 random bits."""
    clock = clock or SystemClock()
    random_bits = chance.getrandbits if chance is not None else secrets.randbits

    def new_id() -> str:
        millis = int(clock.now().timestamp() * 1000)
        return _format(millis, random_bits(_RANDOM_BITS))

    return new_id


def derived_uuid7(millis: int, *parts: str) -> str:
    """The UUIDv7 that always belongs to `parts` at `millis`: its random bits are their SHA-256.

    For ids that a repeated attempt must find again without any bookkeeping.
    """
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return _format(millis, int.from_bytes(digest) >> (len(digest) * 8 - _RANDOM_BITS))


def _format(millis: int, random_bits: int) -> str:
    random_a = random_bits >> _RANDOM_B_BITS
    random_b = random_bits & ((1 << _RANDOM_B_BITS) - 1)
    value = (millis & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | random_a << 64
    value |= 0b10 << 62 | random_b
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
