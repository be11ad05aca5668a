"""What the gateway says itself is what any service would say."""

import msgspec
import pytest

from atoll.gateway.own_answers import problem_answer
from atoll.problems import BadRequest, FieldMistake, NotFound, Problem, TooManyRequests, Unavailable

TRACE = "0123456789abcdef0123456789abcdef"

PROBLEMS = [
    Unavailable("There is too much to do at the moment.", retry_after=3),
    TooManyRequests("No more."),
    NotFound('There is nothing at "ä".'),
    BadRequest("This is wrong.", errors=[FieldMistake("name", "is missing")]),
]


@pytest.mark.parametrize("path", ["/api/things", '/api/"\\\x00ä', ""])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda each: type(each).__name__)
def test_a_problem_is_told_alike_the_first_time_and_again(problem: Problem, path: str) -> None:
    expected = msgspec.json.encode(problem.details(instance=path, trace_id=TRACE))

    assert [problem_answer(problem, path=path, trace_id=TRACE)[1] for _ in range(2)] == [expected] * 2


def test_what_is_remembered_of_problems_is_bounded() -> None:
    bodies = [problem_answer(NotFound(f"Nothing at {n}."), path="/", trace_id=TRACE)[1] for n in range(1000)]

    assert len(set(bodies)) == 1000
    assert b"Nothing at 999." in bodies[-1]
