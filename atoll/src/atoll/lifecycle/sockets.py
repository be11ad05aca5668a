"""Listening sockets: bound with clear words, closed without losing who has connected already."""

import asyncio
import contextlib
import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable

from atoll.lifecycle.errors import StartFailed

DOOR_FD = "ATOLL_DOOR_FD"
"""The name in the environment of the number of a listening socket that somebody holds open for this process."""

BACKLOG = 2048
"""Connections that the kernel holds for us until they are accepted; it may hold fewer (`somaxconn`)."""

_REASONS = {
    errno.EADDRINUSE: "Port {port} on {host} is taken by another program. Stop that one, or choose another port.",
    errno.EADDRNOTAVAIL: "{host} is not an address of this machine.",
    errno.EACCES: "Port {port} needs the rights of an administrator. Choose one from 1024 on.",
}

_TURNS_TO_CONNECT = 3
"""Turns of the event loop from accepting a connection to its `connection_made`.

asyncio drops those that are on this way when their server closes.
"""

_SO_ATTACH_FILTER = 26
_TCP_FLAGS_OFFSET = 13
_TCP_SYN = 0x02


def listening_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket that listens on `host` and `port`, not blocking; port 0 takes a free one.

    With `shared`, others of this user may listen there as well, and the kernel spreads connections over all of them
    (SO_REUSEPORT). Its connections send at once what they have (TCP_NODELAY), on every event loop. Raises
    `StartFailed` with what to do when the address cannot be had.
    """
    family, address = _resolved(host, port)
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio asks for the protocol by number
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise StartFailed(_why(error, host, port)) from error
    listening.setblocking(False)
    return listening


def inherited_socket(name: str) -> socket.socket | None:
    """The open socket whose number is in the environment under a name; None when there is none.

    It does not block, and is not handed on to programs that we start.
    """
    if name not in os.environ:
        return None
    number = int(os.environ[name])
    os.set_inheritable(number, False)
    found = socket.socket(fileno=number)
    found.setblocking(False)
    return found


async def stop_listening(
    server: asyncio.Server,
    listening: socket.socket,
    new_connection: Callable[[], asyncio.Protocol],
    *,
    admits_others: bool = False,
) -> None:
    """Close a server of the event loop; everyone who has connected already gets a connection all the same.

    `admits_others`: another process has the same socket, and goes on admitting connections at it.
    """
    if not admits_others:
        admit_no_more(listening)
    for _ in range(_TURNS_TO_CONNECT):
        await asyncio.sleep(0)
    waiting = accept_waiting(listening)
    server.close()
    for accepted in waiting:
        await asyncio.get_running_loop().connect_accepted_socket(new_connection, accepted)


def admit_no_more(listening: socket.socket) -> None:
    """Have the kernel drop new connection attempts at a listening socket, and nothing else; Linux only.

    Closing such a socket resets the connections that wait in its backlog, so they are accepted first; this
    keeps another one from getting in between. A dropped attempt is repeated by its sender's kernel, and
    refused then. Elsewhere that gap of some microseconds stays.
    """
    if sys.platform != "linux":
        return
    drop_syn = (
        (0x30, 0, 0, _TCP_FLAGS_OFFSET),  # load the byte of flags
        (0x45, 0, 1, _TCP_SYN),  # is SYN among them?
        (0x06, 0, 0, 0),  # then drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # else take it whole
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in drop_syn))
    filter_of_steps = struct.pack("HP", len(drop_syn), ctypes.addressof(program))
    with contextlib.suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_of_steps)


def accept_waiting(listening: socket.socket) -> list[socket.socket]:
    """Every connection that waits in the backlog, not blocking."""
    accepted: list[socket.socket] = []
    while True:
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return accepted
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                return accepted
            raise
        connection.setblocking(False)
        accepted.append(connection)


def _resolved(host: str, port: int) -> tuple[int, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise StartFailed(f"The host name {host!r} to listen on is not known: {error.strerror}.") from error
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _why(error: OSError, host: str, port: int) -> str:
    words = _REASONS.get(error.errno or 0, "{host}:{port} cannot be listened on: {reason}.")
    return words.format(host=host, port=port, reason=os.strerror(error.errno or 0))
