"""What can go wrong between us and a peer, at the level of one connection.

ConnectionFault
├── CannotConnect       no connection could be made: refused, unreachable, or too slow; nothing was sent
├── PoolClosed          the pool is closed; nothing was sent
├── ConnectionEnded     the connection was lost before the answer was whole
└── InvalidAnswer       the peer broke HTTP/1.1, or a limit of ours
"""


class ConnectionFault(Exception):
    """The peer gave no whole answer; the operating system's own error, if any, is the `__cause__`."""


class CannotConnect(ConnectionFault):
    """No connection could be made: refused, unreachable, or too slow. Nothing was sent."""


class PoolClosed(ConnectionFault):
    """The pool takes no more requests. Nothing was sent."""


class ConnectionEnded(ConnectionFault):
    """The connection was lost before the answer was whole; nobody knows what the peer has done."""


class InvalidAnswer(ConnectionFault):
    """What came is not an answer that HTTP/1.1 allows, or it is larger than we accept."""
