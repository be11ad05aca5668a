"""Makes the groups of a subscription, for the first time or after the server has lost them."""

import secrets
from collections.abc import Sequence

from atoll.events.valkey.keys import Keys
from atoll.events.valkey.server import CommandRefused, Server

_MAKE_GROUP = """
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if type(made) == 'table' and made.err then
    if string.find(made.err, 'BUSYGROUP') then return 0 end
    return redis.error_reply(made.err)
end
local facts, added, length = redis.call('XINFO', 'STREAM', KEYS[1]), -1, 0
for i = 1, #facts, 2 do
    if facts[i] == 'length' then length = facts[i + 1] end
    if facts[i] == 'entries-added' then added = facts[i + 1] end
end
if added ~= length then redis.call('SET', KEYS[2], ARGV[2]) end
return 1
"""
"""A group that comes when others have worked on a stream already has missed what they let be trimmed. So it begins
a new epoch in the same step: every outbox sends again what it has, and those who know it already pass over it."""


async def make_groups(server: Server, keys: Keys, streams: Sequence[bytes], group: bytes) -> None:
    """Make the group on each of the streams, and the streams, where they are missing; from the first entry on."""
    for stream in streams:
        await server.run("EVAL", _MAKE_GROUP, 2, stream, keys.epoch, group, new_epoch())


def new_epoch() -> str:
    return secrets.token_hex(16)


def is_missing(refusal: CommandRefused) -> bool:
    """Whether a stream or group is missing: never made, or wiped, perhaps while we waited for messages."""
    words = str(refusal)
    return words.startswith(("NOGROUP", "UNBLOCKED")) or "no such key" in words
