"""One request for many things, each of them answered by itself."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

from atoll.endpoints.telling import told, trace_id
from atoll.problems import ProblemDetails

T = TypeVar("T")


async def each(answers: Iterable[Awaitable[T]], *, method: str, route: str) -> list[T | ProblemDetails]:
    """What each of them comes to, in their order; they run at once.

    In place of an error there is the problem that it is for the caller. One that nobody foresaw is logged whole, as
    the error of `method` and `route`; it spoils none of the others.
    """
    return await asyncio.gather(*(_outcome(answer, method, route) for answer in answers))


async def _outcome(answer: Awaitable[T], method: str, route: str) -> T | ProblemDetails:
    try:
        return await answer
    except Exception as error:
        return told(error, method=method, route=route).details(trace_id=trace_id())
