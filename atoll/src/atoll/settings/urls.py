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


def service_address(address: str) -> None:
    """Where a service is: `http://host:port`, several joined by commas, or `dns://host:port`.

    ValueError tells what else it is.
    """
    try:
        if address.startswith("dns://") and urlsplit(address).port:
            http_url(f"http://{address.removeprefix('dns://')}")
        else:
            for url in address.split(","):
                http_url(url.strip())
    except ValueError:
        raise ValueError("write http://host:port, several joined by commas, or dns://host:port") from None


def without_credentials(text: str) -> str:
    """`text` with `***` for the user and password of each URL in it."""
    return _USERINFO.sub("***", text) if "://" in text else text
