"""What must not get into a log line."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "***"

_SENSITIVE_NAME = re.compile(
    r"(^|[_-])(passwords?|password[_-]hash|passwd|passphrase|secrets?|token|authorization|cookies?|credentials?"
    r"|(private|secret|signing|access|api)[_-]?key)$",
    re.IGNORECASE,
)
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_URL_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_CREDENTIALS = re.compile(r"\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}")


def hide_values(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with `***` for each value whose name says that it is secret, also in mappings among the values."""
    return {name: _hidden(name, value) for name, value in fields.items()}


def hide_in_text(text: str) -> str:
    """`text` with `***` for credentials in URLs and in authorization headers."""
    if "://" in text and "@" in text:
        text = _URL_USERINFO.sub(HIDDEN, text)
    if "Bearer " in text or "Basic " in text:
        text = _CREDENTIALS.sub(rf"\1 {HIDDEN}", text)
    return text


def _hidden(name: object, value: Any) -> Any:
    if isinstance(name, str) and _is_sensitive(name):
        return HIDDEN
    if isinstance(value, Mapping):
        return hide_values(value)
    return value


@lru_cache(maxsize=4096)
def _is_sensitive(name: str) -> bool:
    return _SENSITIVE_NAME.search(_CAMEL_HUMP.sub("_", name)) is not None
