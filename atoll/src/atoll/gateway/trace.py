"""The trace of each request: the client's, if it brings one, else a new one; and who decides what is recorded."""

import random

from atoll.observability.tracing import TraceContext


class Tracer:
    """Makes the `traceparent` that upstream gets.

    Whether a trace is recorded is decided here, for the share `ratio` of requests: a stranger's wish must not cost us
    anything.
    """

    __slots__ = ("_chance", "_ratio")

    def __init__(self, ratio: float, chance: random.Random | None = None) -> None:
        self._ratio = ratio
        self._chance = chance or random.Random()  # noqa: S311 - ids of traces are no secret

    def next_hop(self, given: bytes | None) -> bytes:
        """The header's value, as `trace_id_of` reads it."""
        chance = self._chance
        sampled = chance.random() < self._ratio
        if given is None:
            trace_id = b"%032x" % (chance.getrandbits(128) or 1)
        else:
            trace_id = TraceContext.parse(given.decode("latin-1")).trace_id.encode("ascii")
        return b"00-%b-%016x-%b" % (trace_id, chance.getrandbits(64) or 1, b"01" if sampled else b"00")


def trace_id_of(traceparent: bytes) -> str:
    """The id of the trace in a header's value that `next_hop` made."""
    return traceparent[3:35].decode("ascii")
