"""`python -m atoll.runner.forking RUNNER_PID SOCKET MODULE…` is the fork server, with these modules loaded."""

import socket
import sys

from atoll.runner import child
from atoll.runner.forking.server import serve

if __name__ == "__main__":
    runner, descriptor, *modules = sys.argv[1:]
    child.die_with(int(runner), "fork server")
    arguments = serve(socket.socket(fileno=int(descriptor)), modules)
    if arguments:
        child.main(arguments)
