"""Errors that a caller may see, each a sentence; written as RFC 9457 problem details at the edge.

Problem
├── BadRequest 400
├── Unauthenticated 401
├── Forbidden 403
├── NotFound 404
├── MethodNotAllowed 405
├── RequestTimeout 408
├── Conflict 409
├── Gone 410
├── PreconditionFailed 412
├── ContentTooLarge 413
├── UriTooLong 414
├── UnsupportedMediaType 415
├── InvalidFields 422
├── TooManyRequests 429
├── HeaderFieldsTooLarge 431
├── InternalError 500
├── BadGateway 502
├── Unavailable 503
└── GatewayTimeout 504

A service derives its own from these (`class InsufficientStock(BadRequest)`); the `type` and the `title` of a
problem come from its class name, so a class is all that a new problem needs. Programming mistakes are ordinary
exceptions: the caller sees an `InternalError`, the log sees the rest.
"""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

MEDIA_TYPE = "application/problem+json"


class FieldMistake(msgspec.Struct, frozen=True):
    """One mistake in a request, where `pointer` is a JSON pointer (RFC 6901) into the body, or a name."""

    pointer: str
    detail: str


class ProblemDetails(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The body of every error (RFC 9457, section 3.1), with this system's extensions."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    instance: str = ""
    trace_id: str = ""
    errors: tuple[FieldMistake, ...] = ()


class Problem(Exception):
    """An answer that is an error. `detail` is one sentence for the caller, with nothing of our inside in it."""

    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldMistake] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    @classmethod
    def slug(cls) -> str:
        """The class name in kebab case: `InsufficientStock` is `insufficient-stock`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def type_uri(cls) -> str:
        """What `type` says: a reference to the page that explains this problem."""
        return f"/problems/{cls.slug()}"

    @classmethod
    def title(cls) -> str:
        """The class name as words: `InsufficientStock` is `Insufficient stock`."""
        return cls.slug().replace("-", " ").capitalize()

    def details(self, *, instance: str = "", trace_id: str = "") -> ProblemDetails:
        """The problem as the caller will see it."""
        return ProblemDetails(
            type=self.type_uri(),
            title=self.title(),
            status=self.status,
            detail=self.detail,
            error=self.detail,
            instance=instance,
            trace_id=trace_id,
            errors=self.errors,
        )


class BadRequest(Problem):
    status = 400


class Unauthenticated(Problem):
    status = 401

    def __init__(self, detail: str = "A valid access token is needed.") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    status = 403


class NotFound(Problem):
    status = 404


class MethodNotAllowed(Problem):
    status = 405


class RequestTimeout(Problem):
    status = 408


class Conflict(Problem):
    status = 409


class Gone(Problem):
    status = 410


class PreconditionFailed(Problem):
    status = 412


class ContentTooLarge(Problem):
    status = 413


class UriTooLong(Problem):
    status = 414


class UnsupportedMediaType(Problem):
    status = 415


class InvalidFields(Problem):
    status = 422

    @classmethod
    def at(cls, pointer: str, detail: str) -> "InvalidFields":
        """One mistake, at one place."""
        return cls(detail, errors=[FieldMistake(pointer, detail)])


class TooManyRequests(Problem):
    status = 429


class HeaderFieldsTooLarge(Problem):
    status = 431


class InternalError(Problem):
    status = 500

    def __init__(self, detail: str = "Something went wrong on our side.") -> None:
        super().__init__(detail)


class BadGateway(Problem):
    status = 502


class Unavailable(Problem):
    """What is needed cannot be reached now; `retry_after` is in whole seconds."""

    status = 503

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class GatewayTimeout(Problem):
    status = 504
