"""Start, drain, stop: the life of one process."""

from atoll.lifecycle.errors import StartFailed
from atoll.lifecycle.listener import Address, Listener
from atoll.lifecycle.migrating import migrate
from atoll.lifecycle.process import Program, main, run
from atoll.lifecycle.runnable import Runnable
from atoll.lifecycle.sockets import listening_socket, stop_listening
from atoll.lifecycle.stop import Stop
from atoll.lifecycle.supervisor_line import SUPERVISOR_FD, SupervisorLine
from atoll.lifecycle.uvicorn_listener import UvicornListener

__all__ = [
    "SUPERVISOR_FD",
    "Address",
    "Listener",
    "Program",
    "Runnable",
    "StartFailed",
    "Stop",
    "SupervisorLine",
    "UvicornListener",
    "listening_socket",
    "main",
    "migrate",
    "run",
    "stop_listening",
]
