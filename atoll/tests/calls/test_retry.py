"""When a failed call is tried again: one rule."""

import math
import random

import pytest

from atoll.calls import retry
from atoll.calls.errors import (
    CallError,
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
    InvalidAnswer,
    NoInstances,
    NotPermitted,
    TooManyCalls,
    UpstreamProblem,
    WrongService,
)
from atoll.problems import ProblemDetails
from atoll.resilience import RetryPolicy

DETAILS = ProblemDetails(type="about:blank", title="", status=0, detail="", error="")


def problem(status: int, retry_after: float | None = None) -> UpstreamProblem:
    return UpstreamProblem(status, DETAILS, service="s", retry_after=retry_after)


def pause_after(
    error: CallError,
    *,
    attempts: int = 1,
    repeatable: bool = True,
    remaining: float = math.inf,
    policy: RetryPolicy | None = None,
    chance: random.Random | None = None,
) -> float | None:
    return retry.pause_after(
        error,
        policy or RetryPolicy(),
        attempts=attempts,
        repeatable=repeatable,
        remaining=remaining,
        chance=chance or random.Random(1),  # noqa: S311 - any jitter will do
    )


def is_retried(error: CallError, *, repeatable: bool) -> bool:
    return pause_after(error, repeatable=repeatable) is not None


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize(
    "error",
    [ConnectFailed("refused", service="s"), CallTimeout("queue", service="s", nothing_was_sent=True)],
)
def test_whatever_was_not_sent_is_tried_again(error: CallError, repeatable: bool) -> None:
    assert is_retried(error, repeatable=repeatable)


@pytest.mark.parametrize(
    "error",
    [
        *(ConnectionLost("lost", service="s"), CallTimeout("late", service="s"), problem(503), problem(429)),
        WrongService("users", service="s", instance="i"),
    ],
)
def test_what_may_have_been_acted_on_is_tried_again_only_if_it_may_be_repeated(error: CallError) -> None:
    assert is_retried(error, repeatable=True)
    assert not is_retried(error, repeatable=False)


@pytest.mark.parametrize(
    "error",
    [
        *(problem(status) for status in (301, 400, 401, 404, 409, 422, 500, 501, 502, 504)),
        InvalidAnswer("odd", service="s"),
        NoInstances(service="s"),
        NotPermitted(service="s"),
        TooManyCalls("full", service="s"),
    ],
)
def test_an_answer_that_would_be_the_same_again_is_not_asked_for_again(error: CallError) -> None:
    assert not is_retried(error, repeatable=True)


def test_attempts_are_counted_with_the_first_one() -> None:
    error = ConnectFailed("refused", service="s")

    assert pause_after(error, attempts=2) is not None
    assert pause_after(error, attempts=3) is None


def test_a_longer_retry_after_is_obeyed() -> None:
    assert pause_after(problem(503, retry_after=3.0)) == 3.0


def test_nothing_is_tried_again_when_no_time_would_be_left() -> None:
    assert pause_after(problem(503, retry_after=3.0), remaining=3.0) is None
    assert pause_after(problem(503, retry_after=3.0), remaining=3.1) == 3.0
    assert pause_after(ConnectFailed("refused", service="s"), remaining=0.0) is None
