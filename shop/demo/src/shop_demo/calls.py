"""Calls to the shop, each shown as curl would make it."""

import http.client
import json
import shlex
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from shop_demo.paper import Paper

PATIENCE = 15.0
"""Seconds that one answer may take; a healthy shop takes milliseconds."""

NOTHING: Mapping[str, str] = MappingProxyType({})

_QUOTE = "'\"'\"'"
"""A single quote, as `shlex.quote` writes it."""


class Surprise(Exception):
    """The shop did something else than promised; the message says what was expected, and what came."""


class Shop:
    """The shop behind its gateway, called by one person at a time: after `sign_in_with`, with that token.

    `secrets` are shown by the names of the variables that hold them.
    """

    def __init__(self, gateway_url: str, paper: Paper, *, secrets: Mapping[str, str] = NOTHING) -> None:
        self._url = gateway_url
        self._paper = paper
        self._secrets = secrets
        self._token = ""
        self._straight = urllib.request.build_opener(urllib.request.ProxyHandler({}), _ErrorsAreAnswers())

    def sign_in_with(self, token: str) -> None:
        """Carry this access token from now on."""
        self._token = token
        self._paper.command(f"TOKEN={token}")

    def sign_out(self) -> None:
        """Carry no token any more."""
        self._token = ""

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Make one call and show it; return the JSON of the answer. Raises `Surprise` for another status."""
        self._paper.command(self.as_curl(method, path, body, headers or {}))
        status, answer = self.quietly(method, path, body, headers=headers)
        self._paper.answer(f"{status} {HTTPStatus(status).phrase}", answer)
        if status != expect:
            raise Surprise(f"{method} {path} should answer {expect}, not {status}.")
        return answer

    def quietly(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """The same without showing it: the status and the JSON."""
        sent = dict(headers or {})
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, headers=sent, method=method)
        try:
            with self._straight.open(request, timeout=PATIENCE) as answer:
                content = answer.read()
                return answer.status, json.loads(content) if content else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Surprise(f"{method} {self._url}{path} got no proper answer: {error}") from error

    def as_curl(self, method: str, path: str, body: Any, headers: dict[str, str]) -> str:
        """The command line; the token and the secrets are left to the shell."""
        words = ["curl"] if method == "GET" else ["curl", "-X", method]
        words.append(shlex.quote(self._url + path))
        if self._token:
            words.append('-H "Authorization: Bearer $TOKEN"')
        words += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
        if body is not None:
            words.append("-H 'Content-Type: application/json'")
            words.append(f"-d {self._quoted(json.dumps(body, ensure_ascii=False))}")
        return " ".join(words)

    def _quoted(self, data: str) -> str:
        shown = shlex.quote(data)
        for name, secret in self._secrets.items():
            written = json.dumps(secret, ensure_ascii=False)[1:-1].replace("'", _QUOTE)
            shown = shown.replace(written, f"'\"${name}\"'")
        return shown


class _ErrorsAreAnswers(urllib.request.HTTPErrorProcessor):
    """Whatever its status, an answer is an answer."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        return response
