"""What is written while requests are made is read again, whatever has happened to the writer."""

import subprocess
import sys
from pathlib import Path

import pytest

from shop_proof.history import HistoryFile, HistoryUnreadable, read_histories

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from shop_proof.history import HistoryFile

with HistoryFile(Path(sys.argv[1]), "http://here") as history:
    history.answered(history.sent(by="ann", method="POST", path="/api/orders", key="one", body=b"{}"), 201, b"[1]")
    history.sent(by="ann", method="POST", path="/api/orders", key="two", body=b"{}")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def write_one(path: Path, key: str) -> None:
    with HistoryFile(path, "http://here") as history:
        number = history.sent(by="ann", method="POST", path="/api/orders", key=key, body=b'{"a":1}')
        history.answered(number, 201, b'{"id":"1"}')


def test_requests_come_back_with_what_became_of_them(path: Path) -> None:
    with HistoryFile(path, "http://here") as history:
        first = history.sent(by="ann", method="POST", path="/api/orders", key="one", body=b'{"a":1}')
        second = history.sent(by="bob", method="GET", path="/api/orders/1")
        history.unanswered(first, "the connection was lost")
        history.answered(second, 200, '{"name":"Möbel"}'.encode())
    lost, read = read_histories([path]).requests

    assert ("ann", "POST", "/api/orders", "one", '{"a":1}') == (lost.by, lost.method, lost.path, lost.key, lost.body)
    assert lost.answer is None
    assert read.answer is not None
    assert (200, '{"name":"Möbel"}') == (read.answer.status, read.answer.body)
    assert lost.position < read.position < read.answer.position


def test_a_writer_that_was_killed_leaves_all_it_knew(path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False)  # noqa: S603 - our own program
    requests = read_histories([path]).requests

    assert [("one", True), ("two", False)] == [(request.key, request.answer is not None) for request in requests]


def test_a_later_client_goes_on_in_the_same_file(path: Path) -> None:
    write_one(path, "one")
    write_one(path, "two")

    assert ["one", "two"] == [request.key for request in read_histories([path]).requests]


def test_a_line_that_was_cut_short_is_passed_over_also_when_a_client_comes_after_it(path: Path) -> None:
    write_one(path, "one")
    path.write_bytes(path.read_bytes()[:-20])
    write_one(path, "two")
    path.write_bytes(path.read_bytes() + b'{"line":"sent","num')
    first, second = read_histories([path]).requests

    assert first.answer is None
    assert second.answer is not None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Once upon a time\n", "line 1 cannot be read"),
        (b'{"line":"began","system":"","at":0}\nx\n{"line":"unanswered","number":1,"at":0,"why":""}\n', "line 2"),
        (b'{"line":"answered","number":7,"at":0,"status":200,"body":""}\n', "request 7, which was not sent"),
    ],
)
def test_what_is_no_history_is_refused_in_words(path: Path, content: bytes, words: str) -> None:
    path.write_bytes(content)

    with pytest.raises(HistoryUnreadable, match=words):
        read_histories([path])


def test_a_history_can_be_read_by_its_owner_only(path: Path) -> None:
    write_one(path, "one")

    assert 0o600 == path.stat().st_mode & 0o777


def test_several_histories_are_read_as_one(path: Path, tmp_path: Path) -> None:
    write_one(path, "one")
    write_one(tmp_path / "other.jsonl", "two")
    history = read_histories([path, tmp_path / "other.jsonl"])

    assert ["one", "two"] == [request.key for request in history.requests]
    assert 0 == history.unanswered
