"""What a call to another service can come to, when not to an answer.

CallError
├── NoInstances         discovery knows no instance of the service                                 503
├── NotPermitted        every instance that is known may not be asked now; nothing was sent        503
├── TooManyCalls        as many calls to the service as may be are under way; nothing was sent     503
├── ConnectFailed       no connection to an instance; nothing was sent                             503
├── ConnectionLost      the connection ended before the answer did; the service may have acted     503
├── CallTimeout         no whole answer in time; the service may have acted                        504
├── InvalidAnswer       an answer came, but not one that was agreed on                             502
├── WrongService        another service answered at the instance's address                         503
└── UpstreamProblem     the service answered with a status other than 2xx                        502-504

The number is the status of `as_problem()`: what our own caller is told when nobody handles the error.
Programming mistakes (a path with a space in it) are ValueError and TypeError.
"""

import math
from http import HTTPStatus

import msgspec

from atoll.http1.messages import Fields, find
from atoll.problems import BadGateway, FieldMistake, GatewayTimeout, Problem, ProblemDetails, Unavailable


class CallError(Exception):
    """The call brought no answer that can be used.

    `service` was called, at `instance` (its id; "" when it came to none) in the last of `attempts`.
    `nothing_was_sent` tells that the service cannot have acted on the last attempt. The operating system's
    own error, if there was one, is at the end of the `__cause__` chain. No header or token is ever part of
    it.
    """

    nothing_was_sent = False

    def __init__(self, message: str, *, service: str, instance: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.service = service
        self.instance = instance
        self.attempts = 0

    def __str__(self) -> str:
        where = f" at {self.instance}" if self.instance else ""
        tries = f" (attempt {self.attempts})" if self.attempts > 1 else ""
        return f"{self.service}{where}: {self.message}{tries}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def as_problem(self) -> Problem:
        """What our own caller is told; the words say nothing of our inside but the service's name."""
        return Unavailable(f"The {self.service} service cannot be reached now.")


class NoInstances(CallError):
    """Discovery knows no instance of the service. Nothing was sent."""

    nothing_was_sent = True

    def __init__(self, *, service: str) -> None:
        super().__init__("no instance is known", service=service)


class NotPermitted(CallError):
    """Every instance is shut off: by an operator, or because another service was found there. Nothing was sent."""

    nothing_was_sent = True

    def __init__(self, *, service: str) -> None:
        super().__init__("no instance may be asked now", service=service)


class TooManyCalls(CallError):
    """The bulkhead is full: no place got free in time. Nothing was sent."""

    nothing_was_sent = True

    def as_problem(self) -> Problem:
        return Unavailable(f"The {self.service} service is asked too much at the moment.", retry_after=1)


class ConnectFailed(CallError):
    """No connection to the instance could be made. Nothing was sent."""

    nothing_was_sent = True


class ConnectionLost(CallError):
    """The connection ended before the answer did. The service may have acted on the request."""


class CallTimeout(CallError):
    """No whole answer in time; what was sent may have been acted on."""

    def __init__(self, message: str, *, service: str, instance: str = "", nothing_was_sent: bool = False) -> None:
        super().__init__(message, service=service, instance=instance)
        self.nothing_was_sent = nothing_was_sent

    def as_problem(self) -> Problem:
        return GatewayTimeout(f"The {self.service} service did not answer in time.")


class InvalidAnswer(CallError):
    """An answer came that was not agreed on: it breaks HTTP, is too large, or does not fit the type expected."""

    def as_problem(self) -> Problem:
        return BadGateway(f"The {self.service} service gave an answer that makes no sense.")


class WrongService(CallError):
    """The answer names another service than the one called: its port was taken over. `found` is the name."""

    def __init__(self, found: str, *, service: str, instance: str) -> None:
        super().__init__(f"{found or 'nobody we know'} answers there", service=service, instance=instance)
        self.found = found


class UpstreamProblem(CallError):
    """The service answered with a status other than 2xx.

    `details` is the problem as the service told it, or one made from the status when it told none.
    `retry_after` is what it asked for, in seconds.
    """

    def __init__(
        self,
        status: int,
        details: ProblemDetails,
        *,
        service: str,
        instance: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"answered {status}: {details.detail}", service=service, instance=instance)
        self.status = status
        self.details = details
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        """Whether the service can't answer anything now; if not, it is this request that it fails at."""
        return self.status in (429, 503, 504)

    def as_problem(self) -> Problem:
        """A lack of the service's is ours to tell; an answer of 4xx means that we asked for the wrong thing."""
        match self.status:
            case 429 | 503:
                return Unavailable(
                    f"The {self.service} service is not available now.", retry_after=math.ceil(self.retry_after or 1)
                )
            case 504:
                return GatewayTimeout(f"The {self.service} service could not answer in time.")
            case _:
                return BadGateway(f"The {self.service} service could not do its part.")


class _ToldProblem(msgspec.Struct, rename="camel"):
    """A problem as anybody may write it: RFC 9457 requires no member at all."""

    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    error: str = ""
    instance: str = ""
    trace_id: str = ""
    errors: tuple[FieldMistake, ...] = ()


_told = msgspec.json.Decoder(_ToldProblem)


def upstream_problem(status: int, fields: Fields, body: bytes, *, service: str, instance: str) -> UpstreamProblem:
    """The error that an answer with `status` is."""
    return UpstreamProblem(
        status,
        _details(status, body),
        service=service,
        instance=instance,
        retry_after=_retry_after(find(fields, b"retry-after")),
    )


def _details(status: int, body: bytes) -> ProblemDetails:
    try:
        told = _told.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = _ToldProblem()
    title = told.title or _phrase(status)
    sentence = told.detail or told.error or title
    return ProblemDetails(
        type=told.type,
        title=title,
        status=status,
        detail=sentence,
        error=sentence,
        instance=told.instance,
        trace_id=told.trace_id,
        errors=told.errors,
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _retry_after(value: bytes | None) -> float | None:
    """The seconds that `Retry-After` asks for; a date, which our services never send, is passed over."""
    return float(value) if value is not None and value.isdigit() and len(value) < 10 else None
