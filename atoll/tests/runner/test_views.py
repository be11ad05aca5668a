import io
import json

import pytest
from rich.console import Console

from atoll.runner.json_view import JsonView
from atoll.runner.live_view import LiveView
from atoll.runner.plain_view import PlainView
from atoll.runner.view import ServiceRow, Tone

USERS = ServiceRow(name="users", state="up", port=3001, pid=4711, uptime=75.0, restarts=2, memory=36 * 1024 * 1024)


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def test_plain_lines_have_the_name_of_who_says_them(out: io.StringIO) -> None:
    with PlainView(["users", "gateway"], out) as view:
        view.log("users", "serving")
        view.say("users is up.\nAll is well.", Tone.GOOD)
        view.show([USERS])

    assert out.getvalue() == "users   | serving\natoll   | users is up.\natoll   | All is well.\n"


def test_json_lines_pass_as_they_are_and_others_are_wrapped(out: io.StringIO) -> None:
    with JsonView(out) as view:
        view.log("users", '{"event": "serving"}')
        view.log("users", "Traceback …")
        view.say("users exited with code 1.", Tone.BAD)

    first, *others = out.getvalue().splitlines()
    assert first == '{"event": "serving"}'
    assert [(line["level"], line["service"], line["event"]) for line in map(json.loads, others)] == [
        ("info", "users", "Traceback …"),
        ("error", "atoll", "users exited with code 1."),
    ]


def test_the_live_view_has_the_table_below_the_lines(out: io.StringIO) -> None:
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    with LiveView(["users"], console) as view:
        view.log("users", "[bold]not markup[/bold]")
        view.show([USERS])

    shown = out.getvalue()
    assert "users │ [bold]not markup[/bold]\n" in shown
    assert "users    up     3001  4711  1m 15s         2   36 MB" in shown
    assert shown.index("not markup") < shown.index("1m 15s")


def test_the_live_view_keeps_the_colours_of_the_services(out: io.StringIO) -> None:
    console = Console(file=out, force_terminal=True, width=100, color_system="standard")
    with LiveView(["users"], console) as view:
        view.log("users", "\x1b[31mred\x1b[0m")
        view.say("Bad news.", Tone.BAD)
        view.show([])

    assert "\x1b[36musers │ \x1b[0m\x1b[31mred\x1b[0m\n" in out.getvalue()
    assert "\x1b[1;31mBad news.\x1b[0m\n" in out.getvalue()


def test_a_long_line_is_not_cut(out: io.StringIO) -> None:
    console = Console(file=out, force_terminal=True, width=40, color_system=None)
    with LiveView(["users"], console) as view:
        view.log("users", "x" * 500)
        view.show([])

    assert "x" * 500 in out.getvalue()
