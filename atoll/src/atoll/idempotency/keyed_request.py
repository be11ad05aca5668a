"""A request that must have one effect, however often it comes."""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from atoll import wire
from atoll.clock import to_millis
from atoll.idempotency.keys import HEADER, parse_key
from atoll.identity.principal import Principal
from atoll.problems import FieldMistake, InvalidFields

KEPT_FOR = timedelta(hours=24)
"""How long a key is remembered (Stripe's default)."""

_KEPT_FOR_MILLIS = KEPT_FOR // timedelta(milliseconds=1)

_PURPOSE = b"idempotency\0"
"""Keeps what a secret is used for here apart from its other uses."""

NOBODY = ""
"""The caller where nobody has signed in: all such callers share their keys."""


class KeyUsedDifferently(InvalidFields):
    """The Idempotency-Key came with another body within the last 24 hours; nothing was done for this one.

    What to do: take a new key for what is new, and the very same body for what is repeated.
    """

    def __init__(self) -> None:
        sentence = f"This {HEADER} came with another body before; what is new needs a new key"
        super().__init__(sentence, errors=[FieldMistake(HEADER, sentence)])


class KeyedRequest(Struct, frozen=True):
    """Who asked for what, under which key; `at` is in milliseconds.

    Keys belong to their callers, and to the route they came to: elsewhere the same key is another one.
    """

    route: str
    caller: str
    key: str
    fingerprint: bytes
    at: int

    @property
    def kept_since(self) -> int:
        """What was answered up to this moment does not count any more."""
        return self.at - _KEPT_FOR_MILLIS

    @property
    def name(self) -> tuple[str, str, str]:
        """What is the same at each repetition, whatever the body."""
        return (self.route, self.caller, self.key)


class Asked(NamedTuple):
    """What a request asks for: its route, who calls, the header if there is one, and the body as it was read.

    What stands in the path belongs to `what` as well: `(product_id, change)`.
    """

    route: str
    caller: Principal | None
    key: str | None
    what: object

    def keyed(self, now: datetime, secret: bytes | None = None) -> KeyedRequest | None:
        """The request with its key, if it has one; `InvalidFields` for a header that is none.

        Two bodies that read the same are the same, whatever their spaces and the order of their fields. A `secret`
        goes into the fingerprint of what must not be guessed from it, such as a password.
        """
        if self.key is None:
            return None
        fingerprint = _fingerprint(self.what, secret)
        return KeyedRequest(self.route, _name_of(self.caller), parse_key(self.key), fingerprint, to_millis(now))


def _name_of(caller: Principal | None) -> str:
    if caller is None:
        return NOBODY
    return f"service:{caller.subject}" if caller.is_service else caller.subject


def _fingerprint(what: object, secret: bytes | None) -> bytes:
    written = wire.encode(what)
    if secret is None:
        return hashlib.sha256(written).digest()
    return hmac.digest(secret, _PURPOSE + written, "sha256")
