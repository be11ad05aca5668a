"""A quota store in a Valkey or Redis server: one script for each question, so that no two can be asked at once."""

import asyncio
import math
import uuid
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from atoll.limits.policy import LimitPolicy
from atoll.limits.quota_store import Grant, StoreAway, lease_of
from atoll.limits.sliding_window import SLOTS

PATIENCE = 1.0
"""Seconds for an answer, connecting included. A request waits for it, and counting by oneself is better than waiting
longer; but who is only slow must not be taken for gone: what is counted apart is counted less strictly."""

MOST_AT_ONCE = 64
"""Questions, each on a connection of its own; whoever comes then waits for its turn."""

PRESENCE = 15.0
"""Seconds after which somebody who was not heard of any more shares nothing."""

_SHARERS = "atoll:limits:sharers"

_TAKE = """
local slot_seconds, memory = tonumber(ARGV[1]), tonumber(ARGV[2])
local quota, needed, wanted = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local used, slots = 0, {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local free_at = tonumber(fields[i]) * slot_seconds + memory
  if free_at <= now then
    redis.call('HDEL', KEYS[1], fields[i])
  else
    local units = tonumber(fields[i + 1])
    used = used + units
    slots[#slots + 1] = {free_at, units}
  end
end
table.sort(slots, function(a, b) return a[1] < b[1] end)
local granted, slot, wait = math.min(wanted, quota - used), 0, 0
if granted < needed or granted < 1 then
  granted = 0
  local missing = used + needed - quota
  wait = -1
  for _, each in ipairs(slots) do
    missing = missing - each[2]
    if missing <= 0 then
      wait = each[1] - now
      break
    end
  end
else
  slot = math.floor(now / slot_seconds) + 1
  redis.call('HINCRBY', KEYS[1], slot, granted)
  redis.call('PEXPIRE', KEYS[1], math.ceil((memory + slot_seconds) * 1000))
end
local last = slot > 0 and slot * slot_seconds + memory or (slots[#slots] and slots[#slots][1] or now)
return {granted, quota - used - granted, tostring(last - now), tostring(wait), slot}
"""
"""The same count as `SlidingWindow` keeps: a hash of slots by their number, each with the units used in it.

In the server's own time, which all who share it have in common.
"""

_GIVE_BACK = """
local units = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if units > 0 then redis.call('HINCRBY', KEYS[1], ARGV[1], -math.min(units, tonumber(ARGV[2]))) end
return units
"""

_PRESENT = """
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] - tonumber(ARGV[2]))
redis.call('ZADD', KEYS[1], time[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], math.ceil(tonumber(ARGV[2])))
return redis.call('ZCARD', KEYS[1])
"""

_SCHEMES = {"valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss", "unix": "unix"}


class ValkeyQuotaStore:
    """A `QuotaStore` in the server at `url`: `valkey://host:port`, `valkeys://` with TLS, `redis://`, `unix:///path`.

    Connects when it is first used; enter it as an async context manager to have it closed. A caller takes one hash
    of at most 64 numbers there, which goes by itself when it is of no more use. Nothing is ever repeated: a grant
    that is lost on its way only counts.
    """

    def __init__(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in _SCHEMES or not rest:
            raise ValueError("write valkey://host:port, valkeys://host:port with TLS, or unix:///path")
        self._client: Redis = Redis.from_url(
            f"{_SCHEMES[scheme]}://{rest}",
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
            max_connections=MOST_AT_ONCE,
        )
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._name = str(uuid.uuid4())
        self._take = self._client.register_script(_TAKE)
        self._return = self._client.register_script(_GIVE_BACK)
        self._present = self._client.register_script(_PRESENT)

    def __repr__(self) -> str:
        return "<ValkeyQuotaStore>"  # never the URL: it may hold a password

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def take(self, policy: LimitPolicy, caller: str, needed: int, wanted: int) -> Grant:
        memory = policy.window + lease_of(policy)
        found = await self._run(
            self._take, _key(policy, caller), policy.window / SLOTS, memory, policy.quota, needed, wanted
        )
        units, remaining, reset, wait, slot = int(found[0]), int(found[1]), float(found[2]), float(found[3]), found[4]
        return Grant(units, remaining, reset, math.inf if wait < 0 else wait, float(slot))

    async def give_back(self, policy: LimitPolicy, caller: str, slot: float, units: int) -> None:
        await self._run(self._return, _key(policy, caller), int(slot), units)

    async def sharers(self) -> int:
        return int(await self._run(self._present, _SHARERS, self._name, PRESENCE))

    async def _run(self, script: Any, key: str, *arguments: str | float) -> Any:
        try:
            async with asyncio.timeout(PATIENCE), self._turns:
                return await script(keys=[key], args=arguments)
        except (RedisError, OSError) as error:
            raise StoreAway(str(error) or type(error).__name__) from error


def _key(policy: LimitPolicy, caller: str) -> str:
    """Another quota or window is another count: nobody's is read in a way that it was not written in."""
    return f"atoll:limit:{policy.name}:{policy.quota}:{policy.window:g}:{caller}"
