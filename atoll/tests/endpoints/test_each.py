"""A request for many things has many answers."""

import asyncio
from typing import Any

import structlog
from msgspec import Struct

from atoll.endpoints import Route, each
from atoll.problems import NotFound, ProblemDetails
from atoll.service import Service
from atoll.storage import DatabaseUnavailable
from atoll.testing.asgi import AppClient


async def square(number: int) -> int:
    await asyncio.sleep(0)
    match number:
        case 0:
            raise NotFound("There is no nought")
        case 1:
            raise DatabaseUnavailable("away")
        case 2:
            raise ZeroDivisionError
        case _:
            return number * number


async def squares(numbers: list[int]) -> list[Any]:
    return await each((square(number) for number in numbers), method="PUT", route="/squares")


async def test_each_has_its_own_answer_in_the_same_order() -> None:
    assert await squares([3, 5, 4]) == [9, 25, 16]


async def test_an_error_is_told_in_place_of_an_answer_and_spoils_no_other() -> None:
    nine, missing, away, broken, sixteen = await squares([3, 0, 1, 2, 4])

    assert [nine, sixteen] == [9, 16]
    assert [problem.status for problem in (missing, away, broken)] == [404, 503, 500]
    assert missing.detail == "There is no nought"


async def test_what_nobody_foresaw_is_logged_and_not_told() -> None:
    with structlog.testing.capture_logs() as logs:
        (problem,) = await squares([2])

    assert "ZeroDivision" not in repr(problem)
    assert [(line["log_level"], line["route"]) for line in logs] == [("error", "/squares")]


class Number(Struct):
    value: int


async def squares_asked_for(numbers: list[Number]) -> list[Any]:
    return await squares([number.value for number in numbers])


async def test_a_problem_among_answers_names_the_trace_of_its_request() -> None:
    service = Service("squares", [Route("PUT", "/squares", squares_asked_for)])
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    answer = await AppClient(service.app).put("/squares", json=[{"value": 0}], headers={"traceparent": traceparent})

    (problem,) = answer.into(list[ProblemDetails])
    assert problem.trace_id == "a" * 32
