"""`python -m atoll.healthcheck http://127.0.0.1:3003/ready`: one question, for engines that ask within a container.

The exit code is 0 for an answer below 300, else 1 with a line that says why. Only the standard library is loaded: it is
started every few seconds.
"""

import http.client
import sys
from urllib.parse import urlsplit

TIMEOUT = 2.0
"""Seconds for connecting, and for each piece of the answer; engines end the whole after five."""


def main(url: str) -> int:
    """Ask, and return the exit code."""
    if not _is_address(url):
        print(f"{url!r} is no address of a service; write http://host:port/path.")  # noqa: T201 - as below
        return 1
    try:
        status, answer = _asked(url)
    except (OSError, http.client.HTTPException) as error:
        print(f"{url} does not answer: {error}.")  # noqa: T201 - engines keep what is printed
        return 1
    if status < 300:
        return 0
    print(f"{url} answers {status}: {answer}")  # noqa: T201 - engines keep what is printed
    return 1


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _asked(url: str) -> tuple[int, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main("".join(sys.argv[1:2])))
