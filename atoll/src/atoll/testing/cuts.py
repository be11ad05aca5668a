"""Bytes in every cut: whole, in two at every place, byte by byte, and each of it first on a connection or later."""

import asyncio
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """One way of sending bytes: `cuts` are the positions at which they are cut; `behind` a valid message or not."""

    cuts: Sequence[int] = ()
    behind: bool = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The bytes in their pieces."""
        for start, end in itertools.pairwise((0, *self.cuts, len(data))):
            yield data[start:end]


def ways(raw: bytes, *, behind_in_two: bool = True, at_most: int | None = None) -> Iterator[Way]:
    """The ways to send `raw`: whole and byte by byte, each first and behind a valid message; in two, at every byte.

    Without `behind_in_two` the last one is left out behind a valid message. `at_most` so many cuts are tried, spread
    evenly.
    """
    step = 1 if at_most is None else max(1, math.ceil(len(raw) / at_most))
    for behind in (False, True):
        yield Way((), behind)
        yield Way(range(1, len(raw)), behind)
        if not behind or behind_in_two:
            yield from (Way((cut,), behind) for cut in range(1, len(raw), step))


async def let_the_other_end_read() -> None:
    """Let whoever reads in this loop read what was sent; on loopback it is there at once."""
    for _ in range(3):
        await asyncio.sleep(0)
