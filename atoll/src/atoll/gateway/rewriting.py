"""Heads written anew: nothing of a message reaches the other side but what was read here and is written here.

Of a request go the fields that only we may set: what speaks of forwarding, of who calls, of traces and deadlines;
and every name with an underscore, because servers in the manner of CGI take it for a hyphen. What concerned the
client's connection alone went when the head was read (`RequestHead`).
"""

from collections.abc import Callable

from atoll.calls import service_name, timeouts
from atoll.http1.messages import Field, Fields
from atoll.http1.request_head import RequestFields

_SET_BY_US = frozenset(
    (b"baggage", b"cf-connecting-ip", b"client-ip", b"early-data", b"fastly-client-ip", b"forwarded", b"proxy",
     b"remote-user", b"traceparent", b"tracestate", b"true-client-ip", b"via", b"x-client-ip", b"x-cluster-client-ip",
     b"x-forwarded", b"x-host", b"x-http-method", b"x-http-method-override", b"x-method-override", b"x-original-host",
     b"x-original-url", b"x-originating-ip", b"x-real-ip", b"x-request-id", b"x-rewrite-url")
)  # fmt: skip
_SET_BY_US_PREFIXES = (b"atoll-", b"x-auth", b"x-forwarded-", b"x-principal", b"x-remote-", b"x-role", b"x-user")

_NOT_PASSED_ON = frozenset(
    (b"connection", b"content-length", b"keep-alive", b"proxy-authenticate", b"proxy-authentication-info",
     b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"x-request-id")
)  # fmt: skip
_SERVICE = service_name.HEADER.lower().encode("ascii")
_REMAINING = timeouts.HEADER.lower().encode("ascii") + b": %d\r\n"
_PERSISTENCE = frozenset((b"close", b"keep-alive", b""))

_NAMES_REMEMBERED = 2048
"""Names of fields; bounded, because anybody can make some up."""

_FIELDS_REMEMBERED = 4096
"""Fields with their values, of one service."""


class _Names:
    """How a line begins for each name of a field; empty for a field that is dropped. Worked out once for each."""

    def __init__(self, is_dropped: Callable[[bytes], bool]) -> None:
        self._is_dropped = is_dropped
        self.known: dict[bytes, bytes] = {}

    def learn(self, name: bytes) -> bytes:
        lowered = name.lower()
        beginning = b"" if self._is_dropped(lowered) else lowered + b": "
        if len(self.known) < _NAMES_REMEMBERED:
            self.known[name] = beginning
        return beginning


def _is_ours_to_set(name: bytes) -> bool:
    return name in _SET_BY_US or name.startswith(_SET_BY_US_PREFIXES) or b"_" in name


def _stays_here(name: bytes) -> bool:
    return name in _NOT_PASSED_ON or name.startswith(b"atoll-")


_request_names = _Names(_is_ours_to_set)
_answer_names = _Names(_stays_here)


def request_fields(fields: RequestFields) -> bytes:
    """Of the client's fields those that may pass, as lines."""
    known = _request_names.known
    lines: list[bytes] = []
    for name, value in fields.items():
        beginning = known.get(name)
        if beginning is None:
            beginning = _request_names.learn(name)
        if beginning:
            lines += (beginning, value, b"\r\n")
    return b"".join(lines)


def remaining_line(seconds: float) -> bytes:
    """The line that tells upstream how long we still wait: in milliseconds, at least one."""
    return _REMAINING % max(1, int(seconds * 1000))


class AnotherServiceAnswered(Exception):
    """An answer names another service than the one that was asked; `name` is that one's."""

    def __init__(self, name: bytes) -> None:
        super().__init__(name.decode("latin-1"))
        self.name = name


class PassedOn(dict[Field, bytes]):
    """How the fields of the answers of `service` go on, each by itself: as a line, or not at all.

    For answers that name no fields in `Connection`. Raises `AnotherServiceAnswered`.
    """

    def __init__(self, service: bytes) -> None:
        super().__init__()
        self._service = service

    def __missing__(self, field: Field) -> bytes:
        name, value = field
        beginning = _answer_names.known.get(name) or _answer_names.learn(name)
        line = beginning + value.rstrip() + b"\r\n" if beginning else b""
        if name.lower() == _SERVICE and value.strip() != self._service:
            raise AnotherServiceAnswered(value.strip())
        if len(self) >= _FIELDS_REMEMBERED:
            self.clear()
        self[field] = line
        return line


def answer_fields(fields: Fields) -> tuple[bytes, int | None, bytes | None]:
    """An answer's fields for the client, as lines; its body's length, and the service it names, if told.

    Framing is not among the fields, nor is what services say to each other only.
    """
    known = _answer_names.known
    length = service = None
    lines: list[bytes] = []
    for name, value in fields:
        beginning = known.get(name)
        if beginning is None:
            beginning = _answer_names.learn(name)
        if beginning:
            lines += (beginning, value.rstrip(), b"\r\n")
            continue
        lowered = name.lower()
        if lowered == b"content-length":
            length = int(value)
        elif lowered == _SERVICE:
            service = value.strip()
        elif lowered == b"connection":
            named = {option.strip() for option in value.lower().split(b",")} - _PERSISTENCE
            if named:
                named.add(b"connection")
                return answer_fields([field for field in fields if field[0].lower() not in named])
    return b"".join(lines), length, service
