"""What is asked of another service, checked and written as the head of an HTTP/1.1 request."""

import math
from collections.abc import AsyncIterable, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote, urlencode

import msgspec

from atoll import wire
from atoll.calls import retry as retrying
from atoll.calls import timeouts
from atoll.calls.retry import REPEATABLE_METHODS
from atoll.calls.upstreams import Upstream
from atoll.context import RequestContext
from atoll.http1.messages import is_field_value, is_target, is_token
from atoll.observability.tracing import next_header
from atoll.resilience.retry_policy import RetryPolicy

QueryValue: TypeAlias = str | int | float | bool | None
Query: TypeAlias = Mapping[str, QueryValue | Sequence[QueryValue]]
"""Query parameters: None is left out, a bool is `true` or `false`, a sequence repeats its name."""

_USUAL_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
_OURS = frozenset(
    (
        *("host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"),
        *("traceparent", "x-request-id", timeouts.HEADER.lower(), retrying.HEADER.lower()),
    )
)
"""Headers that are written for every call, or would change how its messages are read."""

_REPEATED = f"{retrying.HEADER}: yes\r\n"


class CallRequest(msgspec.Struct, eq=False):
    """One request, the same for each of its attempts. `fields` are ready lines of its head."""

    method: str
    target: str
    fields: str
    body: bytes | AsyncIterable[bytes] | None
    repeatable: bool
    deadline: float
    """A moment of the client's `Clock.monotonic()`."""
    attempt_timeout: float
    """Seconds."""
    retry: RetryPolicy
    caller: RequestContext | None
    """The request that we work for."""
    tried: tuple[Upstream, ...] = ()
    """Where it was sent so far, the last one last."""
    traceparent: str = ""
    """The last attempt's place in the trace."""

    @property
    def caller_retries(self) -> bool:
        """Whether somebody before us repeats the request that we work for, so that we must not."""
        return self.caller is not None and self.caller.caller_retries

    def __repr__(self) -> str:
        return f"<CallRequest {self.method} {self.target}>"  # never the fields: a token is among them

    def head(self, authority: str, remaining: float) -> bytes:
        """The bytes of the head for another attempt, at `authority`, which is waited for so many seconds."""
        self.traceparent = traceparent = next_header(None if self.caller is None else self.caller.trace)
        patience = f"{timeouts.HEADER}: {timeouts.written(remaining)}\r\n" if remaining < math.inf else ""
        text = (
            f"{self.method} {self.target} HTTP/1.1\r\nHost: {authority}\r\n"
            f"traceparent: {traceparent}\r\n{patience}{self.fields}\r\n"
        )
        return text.encode("ascii")


def path(*segments: object) -> str:
    """`path("products", product_id, "stock")` is `/products/…/stock`: each segment quoted, whatever is in it.

    For ids that come from outside: one that holds a slash, a question mark or dots stays one segment.
    """
    return "".join("/" + _quoted(str(segment)) for segment in segments)


def _quoted(segment: str) -> str:
    return quote(segment, safe="") if segment not in (".", "..") else segment.replace(".", "%2E")


def build_request(
    method: str,
    path: str,
    *,
    query: Query | None,
    headers: Mapping[str, str] | None,
    body: object,
    idempotency_key: str | None,
    authorization: str,
    deadline: float,
    attempt_timeout: float,
    retry: RetryPolicy,
    caller: RequestContext | None,
) -> CallRequest:
    """Check and write a request. ValueError says what is wrong with an argument; TypeError, that it is no JSON.

    A body of bytes or an async iterable of bytes goes as it is, any other value as JSON; None is no body. The
    repeated request must be the same: a body that is iterated is gone once it was, and is never sent again.
    `authorization` is a ready line, or nothing; a header of that name takes its place.
    """
    target = _target(path, query) if query or "?" in path else path
    if not (method in _USUAL_METHODS or is_token(method.encode())) or not is_target(target.encode()):
        raise ValueError(f"{method!r} {target!r} cannot be asked for; quote ids with atoll.calls.path()")
    lines = _checked(headers) if headers else {}
    if idempotency_key is not None:
        lines["idempotency-key"] = _line("Idempotency-Key", idempotency_key)
    lines.setdefault("authorization", authorization)
    framing, content = _framed(method, body, lines)
    repeatable = (method in REPEATABLE_METHODS or "idempotency-key" in lines) and _is_whole(content)
    origin = _origin(caller, repeated=repeatable and retry.max_attempts > 1)
    return CallRequest(
        method=method,
        target=target,
        fields=f"{''.join(lines.values())}{framing}{origin}",
        body=content,
        repeatable=repeatable,
        deadline=deadline,
        attempt_timeout=attempt_timeout,
        retry=retry,
        caller=caller,
    )


def _origin(caller: RequestContext | None, *, repeated: bool) -> str:
    """The lines that say for which request this is asked, and whether it may come again."""
    if caller is None:
        return _REPEATED if repeated else ""
    return f"X-Request-Id: {caller.request_id}\r\n{_REPEATED if repeated or caller.caller_retries else ''}"


def _target(path: str, query: Query | None) -> str:
    if "?" in path:
        raise ValueError(f"{path!r} holds a question mark; use query=, and atoll.calls.path() for ids")
    if not query:
        return path
    encoded = urlencode([pair for name, value in query.items() for pair in _pairs(name, value)])
    return f"{path}?{encoded}" if encoded else path


def _pairs(name: str, value: QueryValue | Sequence[QueryValue]) -> list[tuple[str, str]]:
    values = [value] if isinstance(value, str) or not isinstance(value, Sequence) else value
    return [(name, _query_text(one)) for one in values if one is not None]


def _query_text(value: QueryValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Lines of the head by lower-case name."""
    lines = {}
    for name, value in headers.items():
        lowered = name.lower()
        if lowered in _OURS:
            raise ValueError(f"The header {name!r} is not for callers to set")
        lines[lowered] = _line(name, value)
    return lines


def _line(name: str, value: str) -> str:
    if not is_token(name.encode()) or not (value.isascii() and is_field_value(value.encode())):
        raise ValueError(f"The header {name!r}, or its value, has characters that no header may have")
    return f"{name}: {value}\r\n"


def _framed(method: str, body: object, lines: dict[str, str]) -> tuple[str, bytes | AsyncIterable[bytes] | None]:
    """The lines that tell the body's length and type, and the body as it goes out."""
    if body is None:
        return ("Content-Length: 0\r\n" if method in _WITH_BODY else ""), None
    if isinstance(body, bytes):
        return f"Content-Length: {len(body)}\r\n" + _type_unless(lines, "application/octet-stream"), body
    if hasattr(body, "__aiter__"):  # isinstance takes three times as long to say no
        return "Transfer-Encoding: chunked\r\n" + _type_unless(lines, "application/octet-stream"), body
    content = wire.encode(body)
    return f"Content-Length: {len(content)}\r\n" + _type_unless(lines, wire.MEDIA_TYPE), content


def _type_unless(lines: dict[str, str], media_type: str) -> str:
    return "" if "content-type" in lines else f"Content-Type: {media_type}\r\n"


def _is_whole(body: bytes | AsyncIterable[bytes] | None) -> bool:
    return body is None or isinstance(body, bytes)
