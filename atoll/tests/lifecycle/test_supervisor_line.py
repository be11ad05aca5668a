"""The line to whoever started the process."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from atoll.lifecycle import SUPERVISOR_FD, SupervisorLine


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, SupervisorLine]]:
    supervisor, ours = socket.socketpair()
    with supervisor, ours:
        yield supervisor, SupervisorLine(ours)


def test_words_are_json_on_lines(ends: tuple[socket.socket, SupervisorLine]) -> None:
    supervisor, line = ends
    line.ready({"port": 3001, "ops_port": 3009})
    line.failed("It is broken.")
    line.stopping()

    assert (
        b'{"ready":{"port":3001,"ops_port":3009}}\n{"failed":"It is broken."}\n{"stopping":true}\n'
    ) == supervisor.recv(4096)


def test_a_supervisor_that_is_gone_does_not_hurt(ends: tuple[socket.socket, SupervisorLine]) -> None:
    supervisor, line = ends
    supervisor.close()

    line.ready({"port": 1})
    line.stopping()


def test_without_one_nobody_is_told() -> None:
    SupervisorLine(None).ready({"port": 1})


async def test_its_end_is_noticed_once(ends: tuple[socket.socket, SupervisorLine]) -> None:
    supervisor, line = ends
    gone: list[str] = []
    noticed = asyncio.Event()

    def on_gone() -> None:
        gone.append("gone")
        noticed.set()

    with line.watched(on_gone):
        supervisor.close()
        await noticed.wait()
        await asyncio.sleep(0.01)

    assert ["gone"] == gone


async def test_what_it_says_is_not_its_end(ends: tuple[socket.socket, SupervisorLine]) -> None:
    supervisor, line = ends
    gone: list[str] = []

    with line.watched(lambda: gone.append("gone")):
        supervisor.sendall(b'{"hello":true}\n')
        await asyncio.sleep(0.01)

    assert [] == gone


def test_the_environment_names_it() -> None:
    supervisor, ours = socket.socketpair()
    number = ours.detach()
    os.set_inheritable(number, True)
    with supervisor:
        line = SupervisorLine.from_environment({SUPERVISOR_FD: str(number)})
        line.stopping()
        line.close()

        assert (b'{"stopping":true}\n', b"") == (supervisor.recv(4096), supervisor.recv(4096))


def test_it_is_not_handed_on_to_programs_that_we_start() -> None:
    supervisor, ours = socket.socketpair()
    number = ours.detach()
    os.set_inheritable(number, True)
    with supervisor:
        line = SupervisorLine.from_environment({SUPERVISOR_FD: str(number)})

        assert not os.get_inheritable(number)
        line.close()


@pytest.mark.parametrize("value", ["", "none", "-1", "99999", "3.5"])
def test_a_number_that_is_no_socket_means_no_supervisor(value: str) -> None:
    SupervisorLine.from_environment({SUPERVISOR_FD: value}).ready({"port": 1})


def test_a_file_is_no_socket() -> None:
    number = os.open(os.devnull, os.O_RDWR)
    try:
        SupervisorLine.from_environment({SUPERVISOR_FD: str(number)}).ready({"port": 1})
    finally:
        os.close(number)


def test_an_environment_without_it_means_no_supervisor() -> None:
    SupervisorLine.from_environment({}).ready({"port": 1})
