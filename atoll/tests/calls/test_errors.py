"""What a failed call says to us, and what our own caller is told of it."""

from typing import Any

import pytest

from atoll.calls import (
    CallError,
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
    InvalidAnswer,
    NoInstances,
    UpstreamProblem,
)
from atoll.calls.errors import upstream_problem
from atoll.http1.messages import Fields
from atoll.problems import FieldMistake


def answered(status: int, body: bytes = b"", fields: Fields | None = None) -> UpstreamProblem:
    return upstream_problem(status, fields or [], body, service="products", instance="p1")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NoInstances(service="products"), 503),
        (ConnectFailed("refused", service="products"), 503),
        (ConnectionLost("lost", service="products"), 503),
        (CallTimeout("late", service="products"), 504),
        (InvalidAnswer("odd", service="products"), 502),
        (answered(503), 503),
        (answered(429), 503),
        (answered(504), 504),
        (answered(500), 502),
        (answered(404), 502),
        (answered(302), 502),
    ],
)
def test_our_own_caller_is_told_whose_lack_it_is(error: CallError, status: int) -> None:
    problem = error.as_problem()

    assert problem.status == status
    assert "products" in problem.detail
    assert ("Retry-After" in problem.headers) == (status == 503)


def test_the_words_of_the_service_stay_inside() -> None:
    error = answered(500, b'{"detail":"the password is hunter2"}')

    assert "hunter2" in str(error)
    assert "hunter2" not in error.as_problem().detail


def test_a_problem_is_read_whole() -> None:
    body = (
        b'{"type":"/problems/insufficient-stock","title":"Insufficient stock","status":409,"detail":"Only 2 left.",'
        b'"error":"Only 2 left.","instance":"/reservations","traceId":"abc","more":{},'
        b'"errors":[{"pointer":"/items/0/quantity","detail":"Only 2 left."}]}'
    )

    details = answered(409, body).details

    assert details.type == "/problems/insufficient-stock"
    assert details.detail == "Only 2 left."
    assert details.trace_id == "abc"
    assert details.errors == (FieldMistake("/items/0/quantity", "Only 2 left."),)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "Conflict"),
        (b"<html>", "Conflict"),
        (b"[]", "Conflict"),
        (b"\xff", "Conflict"),
        (b"[" * 100_000, "Conflict"),
        (b'{"title":"Taken"}', "Taken"),
        (b'{"error":"It is taken."}', "It is taken."),
    ],
)
def test_whatever_the_service_says_details_can_be_made_of_it(body: bytes, detail: str) -> None:
    details = answered(409, body).details

    assert (details.status, details.detail) == (409, detail)


def test_a_status_without_a_name_has_details_too() -> None:
    assert answered(599).details.title == "Status 599"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"7", 7.0), (b" 7 ", 7.0), (b"Wed, 21 Oct 2015 07:28:00 GMT", None), (b"-1", None), (b"9" * 50, None)],
)
def test_retry_after_is_read_in_seconds(value: bytes, seconds: float | None) -> None:
    assert answered(503, fields=[(b"Retry-After", value)]).retry_after == seconds


def test_the_retry_after_of_a_service_is_handed_on() -> None:
    problem = answered(503, fields=[(b"retry-after", b"7")]).as_problem()

    assert problem.headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"instance": "p1", "attempts": 3}, "products at p1: lost (attempt 3)"),
        ({"instance": "p1", "attempts": 1}, "products at p1: lost"),
        ({}, "products: lost"),
    ],
)
def test_its_text_holds_the_evidence(given: dict[str, Any], text: str) -> None:
    error = ConnectionLost("lost", service="products", instance=given.get("instance", ""))
    error.attempts = given.get("attempts", 0)

    assert str(error) == text
    assert repr(error) == f"<ConnectionLost {text}>"
