"""Bridges of Podman's networks, held to one address.

Netavark before 1.9 leaves it to the kernel, which gives a bridge the lowest address of its ports: another one when a
container with a lower one comes, or when that one goes. Until containers have noticed, they send their questions for
names to the address from before: for some eight seconds, in each of their networks, no name is found.
"""

import fcntl
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LINKS = Path("/sys/class/net")
LINKS_CHANGE = 1
"""RTMGRP_LINK of rtnetlink(7)."""
SET_ADDRESS = 0x8924
"""SIOCSIFHWADDR of netdevice(7)."""
ETHERNET = 1
"""ARPHRD_ETHER, the family of such an address."""
IS_SET = "3"
"""What `addr_assign_type` says of an address that somebody set, and that stays: NET_ADDR_SET of Linux."""


@contextmanager
def steady_bridges() -> Iterator[None]:
    """While this lasts, a bridge of Podman's keeps the address that its first container gave it. Takes root."""
    end, ended = socket.socketpair()
    with end, ended, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news:
        news.bind((0, LINKS_CHANGE))
        holding = threading.Thread(target=_hold_all, args=(news, ended), name="steady bridges")
        holding.start()
        try:
            yield
        finally:
            end.close()
            holding.join()


def _hold_all(news: socket.socket, ended: socket.socket) -> None:
    while ended not in select.select([news, ended], [], [])[0]:
        with suppress(OSError):  # more news than there was room for is news all the same
            news.recv(65536)
        for link in LINKS.glob("podman*"):
            with suppress(OSError):  # gone in the meantime
                _hold(link)


def _hold(link: Path) -> None:
    """Set the address that the bridge has, as soon as it has it from a port."""
    if any((link / "brif").iterdir()) and _told(link, "addr_assign_type") != IS_SET:
        address = bytes.fromhex(_told(link, "address").replace(":", ""))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            fcntl.ioctl(asking, SET_ADDRESS, struct.pack("16sH6s8x", link.name.encode(), ETHERNET, address))


def _told(link: Path, what: str) -> str:
    return (link / what).read_text(encoding="ascii").strip()
