import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from atoll import context, problems
from atoll.calls.errors import CallError, CallTimeout, NoInstances
from atoll.endpoints import Route
from atoll.observability.tracing import TraceContext
from atoll.problems import BadRequest, Conflict, FieldMistake, InvalidFields, Problem, Unavailable
from atoll.service import Service
from atoll.storage import CommitFailed, DatabaseUnavailable
from atoll.testing.asgi import AppClient

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class InsufficientStock(BadRequest):
    pass


def raising(error: Exception) -> AppClient:
    async def handle() -> None:
        raise error

    return AppClient(Service("test", [Route("GET", "/x", handle)]).app)


def all_problems() -> list[type[Problem]]:
    return [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, Problem)]


@pytest.mark.parametrize("kind", all_problems(), ids=lambda kind: kind.__name__)
def test_every_problem_has_a_status_of_an_error_and_words(kind: type[Problem]) -> None:
    assert 400 <= kind.status <= 599
    assert kind.type_uri().startswith("/problems/")
    assert kind.title()[0].isupper()


def test_a_problem_of_ones_own_takes_its_words_from_its_name() -> None:
    details = InsufficientStock("Insufficient stock for product Lamp").details(instance="/orders", trace_id="t")

    assert ("/problems/insufficient-stock", "Insufficient stock", 400) == (details.type, details.title, details.status)
    assert "Insufficient stock for product Lamp" == details.detail == details.error
    assert ("/orders", "t") == (details.instance, details.trace_id)


async def test_a_problem_is_answered_as_problem_json() -> None:
    answer = await raising(Conflict("It is shipped already.", headers={"X-State": "shipped"})).get("/x")

    assert (409, "application/problem+json", "shipped") == (
        answer.status,
        answer.headers["content-type"],
        answer.headers["x-state"],
    )
    assert str(len(answer.body)) == answer.headers["content-length"]
    assert {"type", "title", "status", "detail", "error", "instance", "traceId"} == answer.json().keys()


async def test_field_mistakes_are_listed_with_their_pointers() -> None:
    problem = InvalidFields("Two mistakes.", errors=[FieldMistake("/a", "A."), FieldMistake("/b/0", "B.")])
    answer = await raising(problem).get("/x")

    assert [{"pointer": "/a", "detail": "A."}, {"pointer": "/b/0", "detail": "B."}] == answer.json()["errors"]


async def test_the_trace_of_the_caller_is_in_the_problem() -> None:
    answer = await raising(Conflict("No.")).get("/x", headers={"traceparent": TRACEPARENT})

    assert "0af7651916cd43dd8448eb211c80319c" == answer.problem().trace_id


async def test_without_a_trace_of_the_caller_a_problem_has_one_of_its_own() -> None:
    client = raising(Conflict("No."))
    traces = {(await client.get("/x", headers={"traceparent": "nonsense"})).problem().trace_id for _ in range(3)}

    assert 3 == len(traces)


async def test_what_nobody_foresaw_is_a_500_that_tells_nothing_and_is_logged_whole() -> None:
    error = RuntimeError("password=hunter2")
    with capture_logs() as logs:
        answer = await raising(error).get("/x", headers={"traceparent": TRACEPARENT})

    assert (500, "Something went wrong on our side.") == (answer.status, answer.problem().detail)
    assert b"hunter2" not in answer.body
    assert [("request failed", "error", "GET", "/x", error)] == [
        (line["event"], line["log_level"], line["method"], line["route"], line["exc_info"]) for line in logs
    ]


async def test_problems_of_the_caller_are_not_logged() -> None:
    with capture_logs() as logs:
        await raising(Conflict("No.")).get("/x")

    assert [] == logs


async def test_problems_of_ours_are_logged_in_short() -> None:
    with capture_logs() as logs:
        answer = await raising(Unavailable("The database is away.", retry_after=3)).get("/x")

    assert (503, "3") == (answer.status, answer.headers["retry-after"])
    assert [("request refused", "warning", 503)] == [
        (line["event"], line["log_level"], line["status"]) for line in logs
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NoInstances(service="products"), 503),
        (CallTimeout("no answer", service="products"), 504),
        (CallError("strange", service="products"), 503),
    ],
)
async def test_a_failed_call_that_nobody_handled_is_told_as_the_problem_it_is(error: CallError, status: int) -> None:
    answer = await raising(error).get("/x")

    assert status == answer.problem().status


@pytest.mark.parametrize("error", [DatabaseUnavailable("database is locked"), CommitFailed("disk is full")])
async def test_a_database_that_is_away_is_worth_another_try(error: Exception) -> None:
    answer = await raising(error).get("/x")

    assert (503, "1") == (answer.status, answer.headers["retry-after"])
    assert str(error) not in answer.problem().detail


async def test_a_problem_may_be_raised_many_times() -> None:
    problem = Conflict("No.")
    client = raising(problem)
    first = await client.get("/x")
    second = await client.get("/x")

    assert first.problem().trace_id != second.problem().trace_id


async def test_a_request_has_a_context_and_leaves_none_behind() -> None:
    seen: list[context.RequestContext | None] = []

    async def handle() -> None:
        seen.append(context.current.get())

    client = AppClient(Service("test", [Route("GET", "/x", handle)]).app)
    headers = {"traceparent": TRACEPARENT, "X-Request-Id": "req-1", "Atoll-Remaining-Ms": "1500"}
    await client.get("/x", headers=headers)
    (request,) = seen

    assert request is not None
    assert ("0af7651916cd43dd8448eb211c80319c", True, "req-1") == (
        request.trace.trace_id,
        request.trace.sampled,
        request.request_id,
    )
    assert "b7ad6b7169203331" != request.trace.span_id
    assert request.deadline is not None
    assert context.current.get() is None


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 129, "ünïcode", "a\x7f"])
async def test_a_request_id_that_is_no_id_is_not_taken(request_id: str) -> None:
    async def handle() -> list[str]:
        request = context.current.get()
        assert request is not None
        return [request.request_id]

    answer = await AppClient(Service("test", [Route("GET", "/x", handle)]).app).get(
        "/x", headers={"X-Request-Id": request_id}
    )

    assert [request_id] != answer.json()
    assert 16 == len(answer.json()[0])


@given(st.text(max_size=80))
def test_no_traceparent_whatever_breaks_a_trace(header: str) -> None:
    assert 32 == len(TraceContext.parse(header).trace_id)
