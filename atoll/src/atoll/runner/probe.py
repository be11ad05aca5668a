"""Asking a service from outside how it is, with nothing but the standard library."""

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, 0 when nothing did, and the JSON object, empty when there was none."""

    status: int
    body: dict[str, Any]

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


_NOTHING = Answer(0, {})
_straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, timeout: float = 2.0) -> Answer:
    """GET `url`, for at most `timeout` seconds of silence. Blocks; never raises."""
    try:
        with _straight.open(url, timeout=timeout) as answer:
            return Answer(answer.status, _json_object(answer.read()))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _json_object(error.read()))
    except (OSError, ValueError, http.client.HTTPException):
        return _NOTHING


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
