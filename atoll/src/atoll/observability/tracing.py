"""The W3C trace context: which trace a request belongs to, from hop to hop.

https://www.w3.org/TR/trace-context/

Nothing is recorded here: what is read from a `traceparent` header is put into logs and problems, and handed
on.
"""

import random
import re
from typing import Self

import msgspec

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<span_id>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<rest>-.*)?",
    re.ASCII | re.DOTALL,
)
_FORBIDDEN_VERSION = "ff"
_OWN_VERSION = "00"
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_SAMPLED = 0x01

_AT_ONCE = 64
"""Pairs of ids that are drawn together."""


class TraceContext(msgspec.Struct, frozen=True):
    """One place in a trace: `trace_id` is 32 lower-case hex digits, `span_id` 16, neither all zeros.

    `sampled` says that the caller may have recorded this trace, and wants it recorded further on.
    """

    trace_id: str
    span_id: str
    sampled: bool = False

    @classmethod
    def parse(cls, traceparent: str | None) -> Self:
        """The caller's place in its trace; a fresh one when there is no header, or one the standard forbids.

        Later versions of the header are read as far as they are known (section 4.3). A service works at a
        `child()` of what it parsed.
        """
        return (traceparent and cls._read(traceparent)) or cls.fresh()

    @classmethod
    def fresh(cls, chance: random.Random | None = None) -> Self:
        """The start of a new trace, with ids out of `chance`."""
        return cls(_random_id(128, chance), _random_id(64, chance))

    @classmethod
    def _read(cls, traceparent: str) -> Self | None:
        match = _TRACEPARENT.fullmatch(traceparent)
        if match is None:
            return None
        version, trace_id, span_id, flags, rest = match.groups()
        if version == _FORBIDDEN_VERSION or (version == _OWN_VERSION and rest is not None):
            return None
        if trace_id == _NO_TRACE or span_id == _NO_SPAN:
            return None
        return cls(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))

    def child(self) -> Self:
        """The next place in the same trace: the same trace id and decision, a new span id."""
        return type(self)(self.trace_id, _random_id(64), self.sampled)

    def header(self) -> str:
        """The value of `traceparent` for the next hop."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def _random_id(bits: int, chance: random.Random | None = None) -> str:
    """`bits` random bits in hex, never all zeros."""
    draw = chance.getrandbits if chance is not None else random.getrandbits
    return (draw(bits) or 1).to_bytes(bits // 8, "big").hex()


class NextHops:
    """Makes the `traceparent`s of calls, and draws their ids many at once: a third of the cost of one by one.

    One for each caller, never one for all: what was drawn before a process is forked would be used twice.
    """

    __slots__ = ("_drawn",)

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def header(self, here: TraceContext | None) -> str:
        """As `next_header`."""
        ids = (self._drawn or self._draw()).pop()
        if here is None:
            return f"00-{ids[:32]}-{ids[32:]}-00"
        return f"00-{here.trace_id}-{ids[32:]}-{'01' if here.sampled else '00'}"

    def _draw(self) -> list[str]:
        digits = random.randbytes(_AT_ONCE * 24).hex()  # noqa: S311 - ids of traces are no secret
        self._drawn = [digits[start : start + 48] for start in range(0, len(digits), 48)]
        return self._drawn


def next_header(here: TraceContext | None) -> str:
    """The value of `traceparent` for a call that is made from `here`, None for outside of any trace.

    The same as `here.child().header()`, or that of a fresh trace, in a tenth of the time.
    """
    if here is None:
        ids = _random_id(192)
        return f"00-{ids[:32]}-{ids[32:]}-00"
    return f"00-{here.trace_id}-{_random_id(64)}-{'01' if here.sampled else '00'}"
