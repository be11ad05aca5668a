"""Which pages of other origins may use a route (the CORS protocol of the Fetch standard).

https://fetch.spec.whatwg.org/#http-cors-protocol. Tokens travel in `Authorization`, never in cookies, so no answer
ever allows credentials: what a page may not send by itself, a browser does not add for it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

ANY_ORIGIN = "*"

REMEMBERED = 600
"""Seconds for which a browser need not ask again whether it may."""

_EXPOSED = b"etag, location, link, retry-after, ratelimit, ratelimit-policy, x-request-id"
"""Fields of an answer that a page may read, beside those that it always may."""

_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:, ?[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_LONGEST_NAMES = 1024


class Cors:
    """The origins that may use a route; nothing is said to others, so browsers keep them out."""

    def __init__(self, origins: Iterable[str]) -> None:
        self.origins = frozenset(origin.encode("ascii") for origin in origins)
        self._any = ANY_ORIGIN.encode() in self.origins

    def __repr__(self) -> str:
        return f"<Cors {b', '.join(sorted(self.origins)).decode()}>"

    def fields(self, origin: bytes | None) -> bytes:
        """The lines of an answer to a page of `origin`; None when no page asks."""
        if origin is None or not self._allows(origin):
            return b"vary: origin\r\n"
        return b"access-control-allow-origin: %b\r\naccess-control-expose-headers: %b\r\nvary: origin\r\n" % (
            origin,
            _EXPOSED,
        )

    def preflight(self, origin: bytes | None, methods: Sequence[str], names: bytes) -> bytes:
        """The lines that answer a browser that asks what it may send; `names` are those of the fields it means to."""
        lines = b"vary: origin, access-control-request-headers\r\n"
        if origin is None or not self._allows(origin):
            return lines
        allowed = names if len(names) <= _LONGEST_NAMES and _NAMES.fullmatch(names) else b""
        return lines + (
            b"access-control-allow-origin: %b\r\naccess-control-allow-methods: %b\r\n%b"
            b"access-control-max-age: %d\r\n"
            % (
                origin,
                ", ".join(methods).encode("ascii"),
                b"access-control-allow-headers: %b\r\n" % allowed if allowed else b"",
                REMEMBERED,
            )
        )

    def _allows(self, origin: bytes) -> bool:
        return self._any or origin in self.origins


def wrong_origins(origins: Iterable[str]) -> Iterator[str]:
    """What is wrong with origins, each the end of a sentence."""
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) and origin != ANY_ORIGIN:
            yield f"has the origin {origin!r}; write one such as https://shop.example, or `*` for every page."
