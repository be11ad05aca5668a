"""The shop behind its gateway, as an administrator sees it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from atoll import wire
from atoll.problems import Problem, ProblemDetails
from atoll.settings import without_credentials
from shop_contracts.imports import ImportReport
from shop_contracts.users import Credentials, SignedIn

PATIENCE = 120.0
"""Seconds that one send or the answer may take; a healthy shop takes some milliseconds for each."""

_PIECE = 64 * 1024

T = TypeVar("T")

Sent = Callable[[int], None]
"""Told, again and again, how many more bytes have been sent."""


class NotImported(Exception):
    """The shop did not take the file; the message says why."""


class Shop:
    """Speaks to the gateway at `url`, by TLS when that says https; every call may raise `NotImported`, this one too."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts = _parts_of(url)

    def sign_in(self, email: str, password: str) -> str:
        """The access token of an administrator."""
        body = wire.encode(Credentials(email=email, password=password))
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return self._post("/api/auth/login", [body], headers, into=SignedIn).access_token

    def import_file(self, file: Path, token: str, sent: Sent) -> ImportReport:
        """Send the file in small pieces, and wait for what became of its rows."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "text/csv",
            "Content-Length": str(file.stat().st_size),
        }
        return self._post("/api/products/import", _pieces_of(file, sent), headers, into=ImportReport)

    def _post(self, path: str, body: Iterable[bytes], headers: Mapping[str, str], *, into: type[T]) -> T:
        status, answer = self._exchange(path, body, headers)
        try:
            if status == 200:
                return wire.decoder(into).decode(answer)
            raise NotImported(wire.decoder(ProblemDetails).decode(answer).detail)
        except Problem as error:
            raise NotImported(f"{self._url} answers {status} in a way that a shop would not.") from error

    def _exchange(self, path: str, body: Iterable[bytes], headers: Mapping[str, str]) -> tuple[int, bytes]:
        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=PATIENCE)
        try:
            connection.connect()
            with suppress(BrokenPipeError, ConnectionResetError):  # refused half-way; the answer says why
                connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise NotImported(f"The shop at {self._url} gives no answer: {error}") from error
        finally:
            connection.close()


def _parts_of(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.username is not None or parts.path.strip("/") or parts.query:
        raise NotImported(
            f"{without_credentials(url)!r} is no address of a shop; write http://host:port or https://host."
        )
    return parts


def _pieces_of(file: Path, sent: Sent) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece
            sent(len(piece))
