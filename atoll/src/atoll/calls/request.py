"""What is asked of another service, checked and written as the head of an HTTP/1.1 request."""

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import TypeAlias, TypedDict
from urllib.parse import quote, urlencode

import msgspec

from atoll import wire
from atoll.calls import retry as retrying
from atoll.calls import timeouts
from atoll.calls.retry import REPEATABLE_METHODS
from atoll.calls.timeouts import Timeouts
from atoll.calls.upstreams import Upstream
from atoll.context import RequestContext
from atoll.http1.messages import is_field_value, is_token
from atoll.observability.tracing import NextHops
from atoll.resilience.retry_policy import RetryPolicy

QueryValue: TypeAlias = str | int | float | bool | None
Query: TypeAlias = Mapping[str, QueryValue | Sequence[QueryValue]]
"""Query parameters: None is left out, a bool is `true` or `false`, a sequence repeats its name."""

_USUAL_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_OURS = frozenset(
    (
        *("host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"),
        *("traceparent", "x-request-id", timeouts.HEADER.lower(), retrying.HEADER.lower()),
    )
)
"""Headers that are written for every call, or would change how its messages are read."""

_NO_BODY = dict.fromkeys(("POST", "PUT", "PATCH"), "Content-Length: 0\r\n")
"""How the methods that could have a body say that there is none."""

_WILL_BE_REPEATED = f"{retrying.HEADER}: yes\r\n"


class CallOptions(TypedDict, total=False):
    """What every call may be given besides its path and body."""

    query: Query | None
    headers: Mapping[str, str] | None
    timeout: float | Timeouts | None
    """Seconds for the whole call, or its bounds (`connect` is the client's); None for those of the client."""
    retry: RetryPolicy | None
    """How often this call is tried; None as the client's calls are."""
    idempotency_key: str | None
    """Sent as `Idempotency-Key`; with it a POST or PATCH may be repeated."""


_OPTIONS = CallOptions.__optional_keys__


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

    def head(self, authority: str, remaining: float, hops: NextHops) -> bytes:
        """The bytes of the head for another attempt, at `authority`, which is waited for so many seconds."""
        self.traceparent = traceparent = hops.header(self.caller.trace if self.caller else None)
        text = (
            f"{self.method} {self.target} HTTP/1.1\r\nHost: {authority}\r\n"
            f"traceparent: {traceparent}\r\n{timeouts.line(remaining)}{self.fields}\r\n"
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
    body: object,
    options: CallOptions,
    *,
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
    if options or "?" in path:
        target = _target(path, options.get("query"))
        lines = _lines(authorization, options)
        fields = "".join(lines.values())
    else:
        target, lines, fields = path, {}, authorization
    if not _is_target(target) or not (method in _USUAL_METHODS or is_token(method.encode())):
        raise ValueError(f"{method!r} {target!r} cannot be asked for; quote ids with atoll.calls.path()")
    framing, content = (_NO_BODY.get(method, ""), None) if body is None else _framed(body, lines)
    fields += framing
    is_whole = content is None or isinstance(content, bytes)
    repeatable = is_whole and (method in REPEATABLE_METHODS or "idempotency-key" in lines)
    if caller is not None:
        fields += f"X-Request-Id: {caller.request_id}\r\n"
    if (repeatable and retry.max_attempts > 1) or (caller is not None and caller.caller_retries):
        fields += _WILL_BE_REPEATED
    return CallRequest(method, target, fields, content, repeatable, deadline, attempt_timeout, retry, caller)


def _is_target(target: str) -> bool:
    """Whether it is printable ASCII after a slash, without space and fragment; as `is_target`, but quicker for text."""
    return target[:1] == "/" and target.isascii() and target.isprintable() and " " not in target and "#" not in target


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


def _lines(authorization: str, options: CallOptions) -> dict[str, str]:
    """Lines of the head by lower-case name, those that the caller of a call decides."""
    if not _OPTIONS.issuperset(options):
        raise TypeError(f"a call has no option {', '.join(sorted(options.keys() - _OPTIONS))}")
    lines = {"authorization": authorization}
    for name, value in (options.get("headers") or {}).items():
        lowered = name.lower()
        if lowered in _OURS:
            raise ValueError(f"The header {name!r} is not for callers to set")
        lines[lowered] = _line(name, value)
    key = options.get("idempotency_key")
    if key is not None:
        lines["idempotency-key"] = _line("Idempotency-Key", key)
    return lines


def _line(name: str, value: str) -> str:
    if not is_token(name.encode()) or not (value.isascii() and is_field_value(value.encode())):
        raise ValueError(f"The header {name!r}, or its value, has characters that no header may have")
    return f"{name}: {value}\r\n"


def _framed(body: object, lines: Mapping[str, str]) -> tuple[str, bytes | AsyncIterable[bytes]]:
    """The lines that tell the body's length and type, and the body as it goes out."""
    if isinstance(body, bytes):
        return f"Content-Length: {len(body)}\r\n" + _type_unless(lines, "application/octet-stream"), body
    if hasattr(body, "__aiter__"):  # isinstance takes three times as long to say no
        return "Transfer-Encoding: chunked\r\n" + _type_unless(lines, "application/octet-stream"), body
    content = wire.encode(body)
    return f"Content-Length: {len(content)}\r\n" + _type_unless(lines, wire.MEDIA_TYPE), content


def _type_unless(lines: Mapping[str, str], media_type: str) -> str:
    return "" if "content-type" in lines else f"Content-Type: {media_type}\r\n"
