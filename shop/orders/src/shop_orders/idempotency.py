"""One Idempotency-Key, one order: the key, what it stands for, and the id of its order.

The header is that of draft-ietf-httpapi-idempotency-key-header, quoted or bare.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from atoll import wire
from atoll.clock import to_millis
from atoll.ids import derived_uuid7
from atoll.problems import InvalidFields
from shop_contracts.orders import NewOrder
from shop_orders.domain import KeyUsedDifferently

KEPT_FOR = timedelta(hours=24)

_MAX_LENGTH = 255
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21-\x7e]+")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a request, byte for byte, and the fingerprint of its body."""

    fingerprint: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A user's request that must have one effect, however often it comes. `at` is in milliseconds."""

    user_id: str
    key: str
    fingerprint: bytes
    at: int

    @property
    def kept_since(self) -> int:
        """Answers from before this moment do not count any more."""
        return self.at - KEPT_FOR // timedelta(milliseconds=1)

    def order_id(self, placed_before: int) -> str:
        """The id of the order that this request makes, the same at each attempt, and nowhere written down.

        `placed_before` orders of the same key are there already: a key may be used anew once it was forgotten.
        The time in the id is always 1970: only the moment of the first attempt would do, and nobody knows it.
        """
        return derived_uuid7(0, "order", self.user_id, self.key, str(placed_before))

    def answer_from(self, kept: KeptAnswer) -> bytes:
        """The answer, once more; raises `KeyUsedDifferently` when it was given to another body."""
        if kept.fingerprint != self.fingerprint:
            raise KeyUsedDifferently
        return kept.answer


def keyed(user_id: str, header: str, body: NewOrder, now: datetime) -> KeyedRequest:
    """The request of `user_id` with that header; `InvalidFields` for a header that is no key."""
    fingerprint = hashlib.sha256(wire.encode(body.items)).digest()
    return KeyedRequest(user_id, parse_key(header), fingerprint, to_millis(now))


def parse_key(header: str) -> str:
    """The key, without its quotes; `InvalidFields` when it is empty, longer than 255 or not visible ASCII."""
    text = header.strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else text
    if not 0 < len(key) <= _MAX_LENGTH or not (quoted or (_BARE.fullmatch(text) and '"' not in text)):
        raise InvalidFields.at(
            "Idempotency-Key",
            f"An Idempotency-Key is 1 to {_MAX_LENGTH} visible ASCII characters, quoted or bare.",
        )
    return key
