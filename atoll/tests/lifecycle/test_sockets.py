"""Listening sockets: clear words when they cannot be had, and nobody lost when they close."""

import asyncio
import socket
import sys

import pytest

from atoll.lifecycle import StartFailed, listening_socket
from atoll.lifecycle.sockets import accept_waiting, admit_no_more


def test_port_0_takes_a_free_one() -> None:
    with listening_socket("127.0.0.1", 0) as listening:
        assert listening.getsockname()[1] > 0


def test_a_port_can_be_had_again_at_once() -> None:
    with listening_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            (accepted,) = accept_waiting(listening)
            accepted.close()

    with listening_socket("127.0.0.1", port) as again:
        assert port == again.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])  # noqa: S104 - what is tested
def test_hosts_are_addresses_or_names(host: str) -> None:
    with listening_socket(host, 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        (accepted,) = accept_waiting(listening)
        accepted.close()


async def test_connections_send_small_pieces_at_once() -> None:
    opened: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            opened.set_result(transport)

    listening = listening_socket("127.0.0.1", 0)
    async with await asyncio.get_running_loop().create_server(Connection, sock=listening):
        with socket.create_connection(listening.getsockname()):
            transport = await opened
            nodelay = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            transport.close()

    assert nodelay


def test_ipv6_works_where_the_machine_has_it() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")

    with listening_socket("::1", 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        (accepted,) = accept_waiting(listening)
        accepted.close()


def test_a_port_that_is_taken_is_told() -> None:
    with listening_socket("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartFailed, match=f"Port {port} on 127.0.0.1 is taken by another program"):
            listening_socket("127.0.0.1", port)


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(StartFailed, match=r"192\.0\.2\.1 is not an address of this machine"):
        listening_socket("192.0.2.1", 0)


def test_a_name_that_is_not_known_is_told() -> None:
    with pytest.raises(StartFailed, match=r"'no-such-host\.invalid' to listen on is not known"):
        listening_socket("no-such-host.invalid", 0)


def test_everyone_in_the_backlog_is_accepted() -> None:
    with listening_socket("127.0.0.1", 0) as listening:
        clients = [socket.create_connection(listening.getsockname()) for _ in range(20)]
        accepted = accept_waiting(listening)

        assert 20 == len(accepted)
        assert {False} == {connection.getblocking() for connection in accepted}
        for each in [*clients, *accepted]:
            each.close()


def test_an_empty_backlog_gives_nobody() -> None:
    with listening_socket("127.0.0.1", 0) as listening:
        assert [] == accept_waiting(listening)


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of the Linux kernel")
def test_after_admitting_no_more_only_those_who_came_before_are_there() -> None:
    with listening_socket("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()) as early:
        early.sendall(b"early")
        admit_no_more(listening)
        with socket.socket() as late:
            late.setblocking(False)
            late.connect_ex(listening.getsockname())
            (accepted,) = accept_waiting(listening)

    with accepted:
        assert b"early" == accepted.recv(5)
