"""One line of a service's table of contents."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from atoll.problems import Problem

Handler: TypeAlias = Callable[..., Awaitable[Any]]

BODY_LIMIT = 1024 * 1024
"""Bytes of a request's body, unless a route says otherwise."""


@dataclass(frozen=True, slots=True)
class Route:
    """`method` and `path` → `handler`: `Route("POST", "/orders", self.place_order, status=201)`.

    Names in braces in the path are parameters of the handler, each one segment long. `status` is what a
    value is answered with; a handler that returns None answers 204, or `status` if that is not 200.
    `problems` are those that the handler may raise; what its annotations imply (401, 404, 422, …) is known
    without. `body_limit` is in bytes. A route that is not `documented` is left out of the OpenAPI document.
    GET routes answer HEAD as well.
    """

    method: str
    path: str
    handler: Handler
    status: int = 200
    problems: Sequence[type[Problem]] = ()
    summary: str = ""
    body_limit: int = BODY_LIMIT
    documented: bool = True
