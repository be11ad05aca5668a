"""The question that engines ask within a container."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from atoll import healthcheck


class Asked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()
        self.wfile.write(b'{"database": "away"}')

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is the test's."""


@pytest.fixture
def service() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Asked) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_good_answer_is_exit_code_0_without_a_word(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = healthcheck.main(f"{service}/ready")

    assert (0, "") == (code, capsys.readouterr().out)


def test_a_bad_answer_is_told_whole(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = healthcheck.main(f"{service}/health")

    assert 1 == code
    assert f'{service}/health answers 503: {{"database": "away"}}\n' == capsys.readouterr().out


def test_no_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code = healthcheck.main("http://127.0.0.1:1/health")

    assert 1 == code
    assert capsys.readouterr().out.startswith("http://127.0.0.1:1/health does not answer: ")


@pytest.mark.parametrize("arguments", [[], ["127.0.0.1:3000/ready"], ["https://127.0.0.1/ready"], ["http://h:x/"]])
def test_what_is_no_address_is_told_in_a_sentence(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "atoll.healthcheck", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program

    assert (1, "") == (done.returncode, done.stderr)
    assert done.stdout.endswith("write http://host:port/path.\n")


def test_the_query_is_asked_with(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    healthcheck.main(f"{service}/ready?deep")

    assert capsys.readouterr().out.startswith(f"{service}/ready?deep answers 503")
