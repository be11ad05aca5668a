"""What a log line looks like, whoever writes it."""

import asyncio
import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import structlog

from atoll import context
from atoll.context import RequestContext
from atoll.observability.logging import LogFormat, LogLevel, configure_logging, get_logger
from atoll.observability.tracing import TraceContext
from atoll.settings import Secret

TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_it_was_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


Configure = Callable[..., io.StringIO]


@pytest.fixture
def configured() -> Configure:
    """Configures logging as asked for, into a text that it returns."""

    def configure(format: LogFormat = "json", level: LogLevel = "info", to: io.StringIO | None = None) -> io.StringIO:
        stream = to or io.StringIO()
        configure_logging("orders", format, level, stream)
        return stream

    return configure


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def line(stream: io.StringIO) -> dict[str, Any]:
    (only,) = lines(stream)
    return only


def fail(words: str, cause: Exception | None = None) -> None:
    raise ValueError(words) from cause


class TestJson:
    def test_starts_with_what_every_line_has(self, configured: Configure) -> None:
        stream = configured()
        get_logger().info("order placed", order_id="o-1")

        assert ["time", "level", "service", "event", "order_id"] == list(line(stream))
        assert ("info", "orders", "order placed", "o-1") == tuple(line(stream).values())[1:]

    def test_time_is_rfc_3339_in_utc(self, configured: Configure) -> None:
        stream = configured()
        before = datetime.now(UTC)
        get_logger().info("now")

        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line(stream)["time"])
        assert abs((datetime.fromisoformat(line(stream)["time"]) - before).total_seconds()) < 60

    @pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
    def test_says_its_level(self, configured: Configure, level: str) -> None:
        stream = configured(level="debug")
        getattr(get_logger(), level)("something")

        assert level == line(stream)["level"]

    def test_within_a_request_it_says_which(self, configured: Configure) -> None:
        stream = configured()
        token = context.current.set(RequestContext(TRACE, "r-1"))
        get_logger().info("inside")
        context.current.reset(token)
        get_logger().info("outside")

        inside, outside = lines(stream)
        assert (TRACE.trace_id, "r-1") == (inside["trace_id"], inside["request_id"])
        assert "trace_id" not in outside

    async def test_each_of_two_requests_at_once_has_its_own(self, configured: Configure) -> None:
        stream = configured()
        log = get_logger()

        async def handle(name: str) -> None:
            context.current.set(RequestContext(TRACE.child(), name))
            await asyncio.sleep(0)
            log.info("handled", name=name)

        await asyncio.gather(*(handle(f"r-{number}") for number in range(5)))

        assert all(each["name"] == each["request_id"] for each in lines(stream))

    def test_a_logger_carries_its_fields(self, configured: Configure) -> None:
        stream = configured()
        get_logger(component="relay").info("started", batch=3)

        assert ("relay", 3) == (line(stream)["component"], line(stream)["batch"])

    def test_one_event_is_one_line(self, configured: Configure) -> None:
        stream = configured()
        get_logger().info("two\nlines", detail="a\nb\r\nc")

        assert 1 == stream.getvalue().count("\n")

    def test_a_percent_sign_is_only_that(self, configured: Configure) -> None:
        stream = configured()
        get_logger().info("100 % done %s %d")

        assert "100 % done %s %d" == line(stream)["event"]

    @pytest.mark.parametrize(
        ("value", "written"),
        [
            (datetime(2030, 1, 1, tzinfo=UTC), "2030-01-01T00:00:00+00:00"),
            (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
            (Secret("hunter2"), "Secret(***)"),
            ({1: "one"}, {"1": "one"}),
            ((1, 2), [1, 2]),
            (ValueError("bad"), "ValueError('bad')"),
        ],
        ids=str,
    )
    def test_values_of_any_type_are_written(self, configured: Configure, value: object, written: object) -> None:
        stream = configured()
        get_logger().info("value", value=value)

        assert written == line(stream)["value"]

    @pytest.mark.parametrize("value", [2**80, "half a pair \ud800", {"deep": 2**80}], ids=["number", "text", "deep"])
    def test_what_json_cannot_hold_is_written_all_the_same(self, configured: Configure, value: object) -> None:
        stream = configured()
        get_logger().info("value", value=value, other=1)

        assert "value" == line(stream)["event"]

    def test_what_contains_itself_is_written_all_the_same(self, configured: Configure) -> None:
        stream = configured()
        endless: list[object] = []
        endless.append(endless)
        get_logger().info("value", value=endless)

        assert "[[...]]" == line(stream)["value"]


class TestErrors:
    def test_are_written_whole_with_their_causes(self, configured: Configure) -> None:
        stream = configured()
        try:
            fail("outer", cause=KeyError("inner"))
        except ValueError:
            get_logger().exception("it failed")

        exception = line(stream)["exception"]
        assert "Traceback (most recent call last):" in exception
        assert "KeyError: 'inner'" in exception
        assert exception.endswith("ValueError: outer")

    def test_can_be_handed_over(self, configured: Configure) -> None:
        stream = configured()
        get_logger().error("it failed", exc_info=ValueError("handed over"))

        assert "ValueError: handed over" == line(stream)["exception"]

    def test_without_one_nothing_is_said_of_it(self, configured: Configure) -> None:
        stream = configured()
        for nothing in (None, True, False, (None, None, None)):
            get_logger().error("no error", exc_info=nothing)

        assert {("time", "level", "service", "event")} == {tuple(each) for each in lines(stream)}

    @pytest.mark.parametrize("format", ["json", "pretty"])
    def test_do_not_show_the_values_of_variables(self, configured: Configure, format: LogFormat) -> None:
        stream = configured(format)
        password = "hunter2"
        try:
            fail(str(len(password)))
        except ValueError:
            get_logger().exception("it failed")

        assert "hunter2" not in stream.getvalue()


@dataclass
class Account:
    name: str
    password: Secret


@pytest.mark.parametrize("format", ["json", "pretty"])
@pytest.mark.parametrize(
    "fields",
    [
        {"password": "hunter2"},
        {"headers": {"authorization": "hunter2"}},
        {"secret": Secret("hunter2")},
        {"account": Account("ada", Secret("hunter2"))},
        {"accounts": [Account("ada", Secret("hunter2"))]},
        {"url": "postgresql://orders:hunter2@db/orders"},
        {"exc_info": ConnectionError("postgresql://orders:hunter2@db/orders is away")},
        {"header": "Bearer hunter2hunter2"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_no_secret_gets_out(configured: Configure, format: LogFormat, fields: dict[str, Any]) -> None:
    stream = configured(format)
    get_logger().error("look", **fields)

    assert "hunter2" not in stream.getvalue()
    assert "***" in stream.getvalue()


class TestLevels:
    @pytest.mark.parametrize(
        ("level", "shown"),
        [
            ("debug", ["debug", "info", "warning", "error"]),
            ("info", ["info", "warning", "error"]),
            ("warning", ["warning", "error"]),
            ("error", ["error"]),
        ],
    )
    def test_lesser_events_are_left_out(self, configured: Configure, level: LogLevel, shown: list[str]) -> None:
        stream = configured(level=level)
        log = get_logger()
        for each in ("debug", "info", "warning", "error"):
            getattr(log, each)("event")

        assert shown == [each["level"] for each in lines(stream)]

    def test_what_is_left_out_is_not_even_looked_at(self, configured: Configure) -> None:
        class Untouchable:
            def __repr__(self) -> str:
                raise AssertionError("looked at")

        stream = configured()
        get_logger().debug("event", value=Untouchable())

        assert "" == stream.getvalue()


class TestLibraries:
    @pytest.mark.parametrize(
        ("level", "written"),
        [(logging.WARNING, "warning"), (logging.ERROR, "error"), (logging.CRITICAL, "critical"), (35, "warning")],
    )
    def test_their_records_take_the_same_way(self, configured: Configure, level: int, written: str) -> None:
        stream = configured()
        logging.getLogger("uvicorn.error").log(level, "Exceeded %s limit.\n", "concurrency")

        assert (written, "orders", "Exceeded concurrency limit.", "uvicorn.error") == tuple(
            line(stream)[key] for key in ("level", "service", "event", "logger")
        )

    def test_their_errors_are_whole(self, configured: Configure) -> None:
        stream = configured()
        try:
            fail("inside a library")
        except ValueError:
            logging.getLogger("library").exception("failed")

        assert "ValueError: inside a library" in line(stream)["exception"]

    def test_what_they_only_want_to_mention_is_left_out(self, configured: Configure) -> None:
        stream = configured()
        logging.getLogger("library").info("by the way")

        assert "" == stream.getvalue()

    def test_unless_details_are_wanted(self, configured: Configure) -> None:
        stream = configured(level="debug")
        logging.getLogger("library").info("by the way")

        assert "by the way" == line(stream)["event"]

    def test_a_record_that_cannot_be_put_together_does_not_hurt(
        self, configured: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging, "raiseExceptions", False)
        stream = configured()
        logging.getLogger("library").warning("%d", "no number")

        assert "" == stream.getvalue()

    def test_warnings_take_the_same_way(self, configured: Configure) -> None:
        stream = configured()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("this is going away", DeprecationWarning, stacklevel=1)

        assert "DeprecationWarning: this is going away" in line(stream)["event"]
        assert "py.warnings" == line(stream)["logger"]


class TestPretty:
    def test_is_for_people(self, configured: Configure) -> None:
        stream = configured("pretty")
        get_logger().info("order placed", order_id="o-1", lines=3, note="two words")

        assert re.fullmatch(r"\d\d:\d\d:\d\d order placed +order_id=o-1 lines=3 note='two words'\n", stream.getvalue())

    def test_shows_ids_only_where_something_went_wrong(self, configured: Configure) -> None:
        stream = configured("pretty")
        get_logger(trace_id="t-1").info("usual")
        get_logger(trace_id="t-1").warning("unusual")
        usual, unusual = stream.getvalue().splitlines()

        assert (True, True) == (usual.endswith(" usual"), "WARNING unusual" in unusual)
        assert "trace_id=t-1" in unusual

    def test_auto_is_pretty_on_a_terminal_and_json_elsewhere(self, configured: Configure) -> None:
        terminal, file = configured("auto", to=Terminal()), io.StringIO()
        get_logger().info("shown")
        configured("auto", to=file)
        get_logger().info("shown")

        assert (False, True) == (terminal.getvalue().startswith("{"), file.getvalue().startswith("{"))

    def test_has_colours_on_a_terminal_unless_told_otherwise(
        self, configured: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        coloured = configured("pretty", to=Terminal())
        get_logger().info("shown")
        monkeypatch.setenv("NO_COLOR", "1")
        plain = configured("pretty", to=Terminal())
        get_logger().info("shown")

        assert (True, False) == ("\x1b[" in coloured.getvalue(), "\x1b[" in plain.getvalue())

    def test_errors_come_below_their_line(self, configured: Configure) -> None:
        stream = configured("pretty")
        get_logger().error("it failed", exc_info=ValueError("why"))

        first, *_, last = stream.getvalue().splitlines()
        assert "it failed" in first
        assert "ValueError: why" == last


class TestOutput:
    @pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError("I/O operation on closed file")])
    def test_a_log_that_cannot_be_written_does_not_hurt(self, configured: Configure, error: Exception) -> None:
        class Full(io.StringIO):
            def write(self, _: str) -> int:
                raise error

        configured(to=Full())
        get_logger().info("lost")

    def test_loggers_in_use_follow_when_it_is_configured_anew(self, configured: Configure) -> None:
        log = get_logger()
        first = configured()
        log.info("one")
        second = configured()
        log.info("two")

        assert (["one"], ["two"]) == tuple([each["event"] for each in lines(stream)] for stream in (first, second))
