"""From a name to the addresses that DNS, or the machine's own list, knows for it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

RESOLVE_SECONDS = 2.0
"""How long an answer is waited for; the resolver's own patience is 5 s for each server (resolv.conf(5))."""


class CannotResolve(Exception):
    """The name has no address, or nobody said so in time."""


Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host, in the resolver's order, at least one; raises `CannotResolve`."""


async def resolve(host: str) -> Sequence[str]:
    """Ask the machine's resolver, for A and AAAA, as every program does (`getaddrinfo`)."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise CannotResolve(f"no answer for {host} within {RESOLVE_SECONDS:g} s") from error
    except (OSError, UnicodeError) as error:
        raise CannotResolve(f"{host} has no address that is known here") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
