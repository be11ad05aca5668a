"""The token keys as every service but their owner has them: fetched, kept for a while, dropped."""

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from atoll.clock import Clock, SystemClock
from atoll.identity.keys import Jwk, JwksDocument, VerifyingKey
from atoll.observability.logging import get_logger
from atoll.problems import Unavailable

REFRESH_INTERVAL = 5 * 60
"""Seconds between two fetches: how long a withdrawn key is still trusted while its owner can be reached."""

UNKNOWN_KID_INTERVAL = 30
"""Seconds between two fetches caused by unknown key ids, which anyone can make up, and after a failed one."""

KEEP_SECONDS = 20 * 60
"""How long keys outlive their last good fetch: one interval and the 15 minutes of a token. By then every
token that they signed has expired, unless the owner still issues some and only we cannot reach it."""

RETRY_INTERVAL = 1
"""Seconds between two fetches while we hold no usable key at all."""

log = get_logger()

FetchJwks = Callable[[], Awaitable[JwksDocument]]
"""Asks the owner for its keys once, in bounded time; any exception means that it could not be asked."""


class JwksKeySource:
    """A `KeySource` over HTTP, or whatever `fetch` does. Enter it as an async context manager before use.

    Inside, the keys are fetched in the background; entering never waits for their owner. A key that is
    missing from the latest document is not trusted any more; a fetch that fails changes nothing for
    `KEEP_SECONDS`, and after that nothing is trusted.
    """

    def __init__(self, fetch: FetchJwks, *, clock: Clock | None = None) -> None:
        self._fetch = fetch
        self._clock = clock or SystemClock()
        self._keys: dict[str, VerifyingKey] = {}
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._kid_tried_at = -math.inf
        self._failing = False
        self._fetching: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None

    def find(self, kid: str) -> VerifyingKey | None:
        return self._keys.get(kid) if self._are_usable() else None

    async def obtain(self, kid: str) -> VerifyingKey | None:
        key = self.find(kid)
        if key is None and self._is_worth_a_fetch():
            if self._can_tell():
                self._kid_tried_at = self._clock.monotonic()
            await self.refresh()
            key = self.find(kid)
        if key is None:
            await self.check()
        return key

    async def refresh(self) -> None:
        """Fetch the keys now; who comes meanwhile shares the fetch. A failure is logged, not raised."""
        if self._fetching is None or self._fetching.done():
            self._tried_at = self._clock.monotonic()
            # everyone waits for it, so it must not end at one caller's deadline
            self._fetching = asyncio.create_task(
                self._fetch_once(), name="fetch the token keys", context=contextvars.Context()
            )
        # one caller's cancellation is not the others'
        await asyncio.shield(self._fetching)

    async def check(self) -> None:
        """Return when there is a key to check tokens with, raise `Unavailable` when not. For readiness."""
        if not self._can_tell():
            raise Unavailable("Access tokens cannot be checked at the moment.")

    async def __aenter__(self) -> Self:
        self._refreshing = asyncio.create_task(self._keep_fresh(), name="keep the token keys fresh")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks = [task for task in (self._refreshing, self._fetching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_fresh(self) -> None:
        while True:
            await self.refresh()
            await self._clock.sleep(self._pause())

    async def _fetch_once(self) -> None:
        try:
            self._take(await self._fetch())
        except Exception as error:
            self._note_failure(error)

    def _take(self, document: JwksDocument) -> None:
        keys = {key.kid: key for key in map(_usable, document.keys) if key}
        if keys.keys() != self._keys.keys():
            log.info("token keys changed", trusted=sorted(keys), withdrawn=sorted(self._keys.keys() - keys))
        self._keys = keys
        self._failing = False
        self._fetched_at = self._clock.monotonic()

    def _note_failure(self, error: Exception) -> None:
        """Once for each time that the owner is away, not for each try."""
        if not self._failing:
            log.warning("token keys cannot be fetched; trying on", error=repr(error), keys=len(self._keys))
        self._failing = True

    def _are_usable(self) -> bool:
        return self._clock.monotonic() < self._fetched_at + KEEP_SECONDS

    def _can_tell(self) -> bool:
        return bool(self._keys) and self._are_usable()

    def _is_worth_a_fetch(self) -> bool:
        now = self._clock.monotonic()
        if self._fetching is not None and not self._fetching.done():
            return True
        if self._can_tell():
            return now >= self._kid_tried_at + UNKNOWN_KID_INTERVAL
        return now >= self._tried_at + RETRY_INTERVAL

    def _pause(self) -> float:
        if self._fetched_at >= self._tried_at:
            return REFRESH_INTERVAL
        return UNKNOWN_KID_INTERVAL if self._can_tell() else RETRY_INTERVAL


def _usable(jwk: Jwk) -> VerifyingKey | None:
    try:
        return VerifyingKey.from_jwk(jwk)
    except ValueError as error:
        log.warning("a published token key is of no use", reason=str(error))
        return None
