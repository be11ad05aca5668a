"""What a caller is told of an error."""

from typing import Protocol, runtime_checkable

from atoll import context
from atoll.observability.logging import get_logger
from atoll.problems import InternalError, Problem

log = get_logger()


@runtime_checkable
class TellsProblem(Protocol):
    """An error of a lower layer that knows what a caller should be told, such as a call that timed out."""

    def as_problem(self) -> Problem: ...


def told(error: Exception, *, method: str, route: str) -> Problem:
    """The problem that an error is for the caller; one that nobody foresaw is logged whole, and told as a 500."""
    problem = _problem_of(error)
    if problem is None:
        log.error("request failed", method=method, route=route, exc_info=error)
        return InternalError()
    if problem.status >= 500:
        about = {"status": problem.status, "error": repr(error), "cause": repr(error.__cause__)}
        log.warning("request refused", method=method, route=route, **about)
    return problem


def trace_id() -> str:
    """The trace that the request in hand is part of; "" outside of one."""
    request = context.current.get()
    return "" if request is None else request.trace.trace_id


def _problem_of(error: Exception) -> Problem | None:
    match error:
        case Problem():
            return error
        case TellsProblem():
            return error.as_problem()
        case _:
            return None
