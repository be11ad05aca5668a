"""Checks of addresses, and how to show them."""

import re
from urllib.parse import urlsplit

_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")


def http_url(url: str) -> None:
    """The address of a service, `http://host[:port]`; ValueError tells what else it is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port = -1
    if (
        port == -1
        or parts.scheme != "http"
        or not parts.hostname
        or parts.username is not None
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise ValueError("write http://host:port")


def without_credentials(text: str) -> str:
    """`text` with `***` for the user and password of each URL in it."""
    return _USERINFO.sub("***", text) if "://" in text else text
