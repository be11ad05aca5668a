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


def problem_answer(problem: Problem, *, path: str, trace_id: str) -> tuple[bytes, bytes]:
    """The fields and the body that tell a client of `problem` with its request for `path`."""
    fields = [_PROBLEM, *(f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in problem.headers.items())]
    return b"".join(fields), _encode(problem.details(instance=path, trace_id=trace_id))


def health_answer(now: datetime) -> tuple[bytes, bytes]:
    """The fields and the body that say that the gateway is alive."""
    return _JSON, _encode(GatewayHealth("healthy", GATEWAY, now))
