"""What one client may cost a server."""

from dataclasses import dataclass, field

from atoll.http1.request_head import HeadLimits


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Sizes in bytes, times in seconds; whatever passes one of them is refused or ended.

    The times of heads and bodies are in the manner of Apache's mod_reqtimeout: a body has `body_timeout`,
    and a second more for each `body_rate` bytes that have come. Those of answers are in the manner of Kestrel's
    MinResponseDataRate (240 bytes a second after 5 s of grace, which is meant for less than a gateway): a client that
    reads more slowly than we write has `write_timeout`, and a second more for each `write_rate` bytes that it took.
    """

    head: HeadLimits = field(default_factory=HeadLimits)
    body: int = 1024 * 1024
    """Of one request's body, unless `ServerConnection.body_limit` is set for it."""
    head_timeout: float = 10.0
    """From the first byte of a head to its last."""
    body_timeout: float = 20.0
    body_rate: int = 1024
    idle_timeout: float = 75.0
    """Without any request; longer than the 60 s for which our own clients keep a connection."""
    drain_grace: float = 1.0
    """The same while the server drains: for a request that is on its way."""
    write_timeout: float = 20.0
    """For the client to take what waits for it, beyond what a socket's buffers hold."""
    write_rate: int = 4096
    linger: float = 2.0
    """How long bytes are read and dropped after a refusal, so that the client can read why (RFC 9112, 9.6)."""
    held: int = 64 * 1024
    """Of what is read before its turn: further requests, and a body that nobody takes yet."""
    connections: int = 10_000
