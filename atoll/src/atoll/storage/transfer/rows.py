"""Rows as text, the same for every engine, and sums that do not depend on their order."""

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

_MODULUS = 1 << 256


def row_to_line(row: Sequence[Any]) -> bytes:
    """One line of JSON: an array of texts, numbers and nulls, with bytes and what JSON has no word for as objects."""
    return json.dumps([_to_json(value) for value in row], ensure_ascii=False, separators=(",", ":")).encode()


def line_to_row(line: bytes) -> list[Any]:
    """The values of a line; ValueError when it is none."""
    return [_from_json(value) for value in json.loads(line)]


class Sum:
    """How many rows there were, and a sum of their digests: the same rows, in whatever order, have the same."""

    def __init__(self) -> None:
        self.rows = 0
        self._total = 0

    def add(self, line: bytes) -> None:
        self.rows += 1
        self._total = (self._total + int.from_bytes(hashlib.sha256(line).digest(), "big")) % _MODULUS

    @property
    def digest(self) -> str:
        return f"{self._total:064x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and (self.rows, self._total) == (other.rows, other._total)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<Sum of {self.rows} rows: {self.digest[:8]}>"


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else {"number": repr(value)}  # SQLite has no -0.0
    return value


def _from_json(value: Any) -> Any:
    match value:
        case {"bytes": text}:
            return base64.b64decode(text)
        case {"number": text}:
            return float(text)
    return value
