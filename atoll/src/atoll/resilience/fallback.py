"""Something better than an error, and the word that it is not the real thing."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

from atoll.resilience.errors import CallRefused

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """A value, and the error in whose place it stands; None when it is the real thing.

    Whoever passes the value on should pass on that it is `degraded`, as our own answers do:
    `"degraded": ["orders"]`.
    """

    value: R
    error: Exception | None = None

    @property
    def degraded(self) -> bool:
        return self.error is not None


def fallback(
    instead: Callable[[Exception], Any],
    *,
    on: type[Exception] | tuple[type[Exception], ...] = (CallRefused, TimeoutError, ConnectionError),
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, Outcome[R]]]]:
    """A decorator: calls come to an `Outcome`, of `instead(error)` when the function failed with one of `on`.

    `instead` gives a value of the same kind, and may be async. What it raises itself is raised, with the first
    error as its context. For what may stand in (the last known value, an empty list), never for what hides
    that nothing was done.
    """

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, Outcome[R]]]:
        @functools.wraps(function)
        async def with_fallback(*args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
            try:
                return Outcome(await function(*args, **kwargs))
            except on as error:
                value: Any = instead(error)
                return Outcome(await value if inspect.isawaitable(value) else value, error)

        return with_fallback

    return decorate
