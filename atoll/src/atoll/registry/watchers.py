"""What each watcher of the list knows: so that an instance can wait until nobody calls it any more."""

import asyncio

from atoll.clock import Clock

FORGOTTEN_AFTER = 35.0
"""Seconds without a word after which a watcher is gone: longer than a watch may take (30 s)."""


class Watchers:
    """A watcher that asks for news since a cursor has taken in the list of that cursor, for it acts before it asks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}
        self._word = asyncio.Event()

    def heard_from(self, watcher: str, cursor: str) -> None:
        """It asked for what is new since `cursor`."""
        self._known[watcher] = cursor, self._clock.monotonic()
        self._tell()

    def forget(self, watcher: str) -> None:
        """It said goodbye."""
        self._known.pop(watcher, None)
        self._tell()

    def all_know(self, cursor: str) -> bool:
        """Whether everyone who watches has got that list."""
        self._forget_silent()
        return all(known == cursor for known, _ in self._known.values())

    def next_word(self) -> asyncio.Event:
        """Set when the next watcher says something."""
        return self._word

    def _tell(self) -> None:
        self._word.set()
        self._word = asyncio.Event()

    def _forget_silent(self) -> None:
        since = self._clock.monotonic() - FORGOTTEN_AFTER
        self._known = {watcher: word for watcher, word in self._known.items() if word[1] > since}

    def __repr__(self) -> str:
        return f"<Watchers {len(self._known)}>"
