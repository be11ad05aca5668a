"""What the gateway says itself: problems, and that it is alive."""

from datetime import datetime
from typing import Literal

import msgspec

from atoll import problems
from atoll.gateway.settings import GATEWAY
from atoll.problems import Problem

_JSON = b"content-type: application/json\r\n"
_PROBLEM = b"content-type: %b\r\n" % problems.MEDIA_TYPE.encode()


class GatewayHealth(msgspec.Struct, frozen=True):
    """The body of the gateway's `/health`."""

    status: Literal["healthy"]
    service: str
    timestamp: datetime


_encode = msgspec.json.Encoder().encode

_known: dict[tuple[type[Problem], str], bytes] = {}
"""The bodies of problems as they are for every request: refusing much should cost little."""

_KNOWN_AT_MOST = 256
"""There are not many kinds of refusals, but some name what was asked for."""


def problem_answer(problem: Problem, *, path: str, trace_id: str) -> tuple[bytes, bytes]:
    """The fields and the body that tell a client of `problem` with its request for `path`."""
    fields = [_PROBLEM, *(f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in problem.headers.items())]
    if problem.errors or not path:
        return b"".join(fields), _encode(problem.details(instance=path, trace_id=trace_id))
    same = _known.get((type(problem), problem.detail)) or _learn(problem)
    return b"".join(fields), b'%b,"instance":%b,"traceId":"%b"}' % (same, _encode(path), trace_id.encode("ascii"))


def _learn(problem: Problem) -> bytes:
    """What is the same for every request of the answer's body, without its last brace."""
    if len(_known) >= _KNOWN_AT_MOST:
        _known.clear()
    same = _known[type(problem), problem.detail] = _encode(problem.details())[:-1]
    return same


def health_answer(now: datetime) -> tuple[bytes, bytes]:
    """The fields and the body that say that the gateway is alive."""
    return _JSON, _encode(GatewayHealth("healthy", GATEWAY, now))
