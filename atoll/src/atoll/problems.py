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
problem come from its class name, and the page that explains it (`docs/problems/`) from its docstring, so a class is all
that a new problem needs. Programming mistakes are ordinary exceptions: the caller sees an `InternalError`, the log sees
the rest.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
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


@cache
def _in_kebab_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


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
        return _in_kebab_case(cls.__name__)

    @classmethod
    def type_uri(cls) -> str:
        """What `type` says: a name for programs, and the page in `docs/` that explains this problem to people."""
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
    """The request cannot be understood as it stands: a body that is not JSON, bytes that are not HTTP as it should be.

    What to do: correct the request; sent again as it is, it will be refused again.
    """

    status = 400


class Unauthenticated(Problem):
    """Nobody knows who calls: there is no access token, or one that is wrong, has run out, or was signed with a key
    that is trusted no more.

    What to do: sign in, or get a new access token with the refresh token, and send it as `Authorization: Bearer …`.
    """

    status = 401

    def __init__(self, detail: str = "A valid access token is needed.") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    """It is known who calls, and they may not do this: it takes a role that they do not have, or is for services only.

    What to do: sign in as somebody who may, or leave it.
    """

    status = 403


class NotFound(Problem):
    """There is nothing at this path, or nothing that the caller may know of: somebody else's things look the same as
    things that do not exist.

    What to do: look at the path and the id in it, and at who is signed in.
    """

    status = 404


class MethodNotAllowed(Problem):
    """The path is right, and this method is not possible there.

    What to do: take one that the header `Allow` names.
    """

    status = 405


class RequestTimeout(Problem):
    """The request did not arrive in time: its head or its body came too slowly, or stopped.

    What to do: send it again, over a connection that is fast enough.
    """

    status = 408


class Conflict(Problem):
    """What is asked for does not go together with how things are now; nothing was changed.

    What to do: read the thing anew, and decide again.
    """

    status = 409


class Gone(Problem):
    """It was there, and is gone for good.

    What to do: do not ask again.
    """

    status = 410


class PreconditionFailed(Problem):
    """A condition that the request itself names, such as `If-Match`, does not hold; nothing was changed.

    What to do: read the thing anew, and send the change with its new `ETag`.
    """

    status = 412


class ContentTooLarge(Problem):
    """The body has more bytes than this route takes; most take 1 MiB.

    What to do: send less, or several requests.
    """

    status = 413


class UriTooLong(Problem):
    """The line with the method, the path and the query is too long.

    What to do: leave parameters out; what is long belongs into a body.
    """

    status = 414


class UnsupportedMediaType(Problem):
    """The body is in a form that is not taken here: another `Content-Type`, another charset, or compressed.

    What to do: send JSON in UTF-8 as `application/json`, not compressed, unless the route says otherwise.
    """

    status = 415


class InvalidFields(Problem):
    """The request can be read, and something in it is not what it should be: a field that is missing, unknown,
    there twice, or has a value out of its bounds. `errors` says what, and where: a JSON pointer into the body, or the
    name of a parameter or a header.

    What to do: correct what `errors` names; sent again as it is, the request will be refused again.
    """

    status = 422

    @classmethod
    def at(cls, pointer: str, detail: str) -> "InvalidFields":
        """One mistake, at one place."""
        return cls(detail, errors=[FieldMistake(pointer, detail)])


class TooManyRequests(Problem):
    """More was asked than one caller may ask for in a while.

    What to do: wait for as many seconds as `Retry-After` says.
    """

    status = 429


class HeaderFieldsTooLarge(Problem):
    """The head of the request has too many fields, or too many bytes.

    What to do: send fewer and shorter headers.
    """

    status = 431


class InternalError(Problem):
    """Something went wrong that nobody foresaw; what exactly is in our log, under the `traceId`.

    What to do: try again later. A request that changes something is safe to repeat with its `Idempotency-Key`; without
    one, look first. When it stays, tell those who run the system the `traceId`.
    """

    status = 500

    def __init__(self, detail: str = "Something went wrong on our side.") -> None:
        super().__init__(detail)


class BadGateway(Problem):
    """A service that was asked on the way gave no proper answer.

    What to do: try again. A request that changes something may have done so: repeat it with its `Idempotency-Key`,
    or look first.
    """

    status = 502


class Unavailable(Problem):
    """Something that this takes cannot be reached now, or has too much to do; nothing was changed, unless `detail` says
    that it is not known.

    What to do: try again after as many seconds as `Retry-After` says.
    """

    status = 503

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        """`retry_after` is in whole seconds."""
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class GatewayTimeout(Problem):
    """A service that was asked on the way did not answer in time.

    What to do: try again. A request that changes something may have done so: repeat it with its `Idempotency-Key`,
    or look first.
    """

    status = 504
