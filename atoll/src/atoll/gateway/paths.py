"""One canonical path for each request: the same bytes are matched against the rules and sent on.

Two ways of writing one path are brought to one (RFC 3986, section 6.2.2); what programs behind us might read in
another way than the rules do, such as `..`, `//` or an encoded slash, is refused.
"""

import re

from atoll.problems import BadRequest

_PREFIX = b"/api/"
_VERSION = b"/v1/"
"""Both are taken off before anything is matched or forwarded; the version may be left out."""

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PLAIN = _UNRESERVED + b"!$&'()*+,;=:@/"
_ESCAPE = re.compile(rb"%(.{0,2})", re.DOTALL)
_HEX = re.compile(rb"[0-9A-Fa-f]{2}")
_NEVER_ENCODED = frozenset(b"/\\\x7f") | frozenset(range(0x20))
_DOTS = frozenset((b".", b".."))


def canonical(path: bytes) -> bytes:
    """The path in its one form; raises `BadRequest` for what has none. Without a query, it begins with a slash."""
    if not path.translate(None, _PLAIN) and b"//" not in path and b"/." not in path:
        return path
    if path.translate(None, _PLAIN + b"%"):
        raise BadRequest("The path has a character that must be percent-encoded.")
    path = _ESCAPE.sub(_canonical_escape, path)
    _check_segments(path)
    return path


def below_prefix(path: bytes) -> bytes | None:
    """What is left of a canonical path below `/api` or `/api/v1`, with its slash; None for one that is neither."""
    if not path.startswith(_PREFIX):
        return None
    below = path[len(_PREFIX) - 1 :]
    return below[len(_VERSION) - 1 :] if below.startswith(_VERSION) else below


def _canonical_escape(escape: re.Match[bytes]) -> bytes:
    digits = escape[1]
    if _HEX.fullmatch(digits) is None:
        raise BadRequest("The path has a percent sign without two hexadecimal digits.")
    value = int(digits, 16)
    if value in _NEVER_ENCODED:
        raise BadRequest("The path has an encoded slash, backslash or control character.")
    return bytes((value,)) if value in _UNRESERVED else b"%" + digits.upper()


def _check_segments(path: bytes) -> None:
    segments = path[1:].split(b"/")
    if b"" in segments[:-1]:
        raise BadRequest("The path has an empty segment.")
    if any(segment.partition(b";")[0] in _DOTS for segment in segments):
        raise BadRequest("The path has a dot segment.")
