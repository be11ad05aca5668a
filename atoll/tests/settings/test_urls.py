"""Addresses of services, checked; and URLs, fit to be shown."""

import pytest

from atoll.settings import http_url, without_credentials


@pytest.mark.parametrize(
    "url",
    [
        "http://users",
        "http://users:3001",
        "http://127.0.0.1:3001",
        "http://[::1]:3001",
        "http://users:3001/",
        "HTTP://a",
    ],
)
def test_the_address_of_a_service_is_fine(url: str) -> None:
    http_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "users",
        "users:3001",
        "//users:3001",
        "https://users:3001",
        "ftp://users",
        "http://",
        "http://:3001",
        "http://users:port",
        "http://users:70000",
        "http://users/path",
        "http://users?query",
        "http://users#fragment",
        "http://user:password@users",
        "http://[::1",
    ],
)
def test_anything_else_is_not(url: str) -> None:
    with pytest.raises(ValueError, match="write http://host:port"):
        http_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://orders:hunter2@db/orders", "postgresql://***@db/orders"),
        ("redis://:hunter2@cache", "redis://***@cache"),
        ("http://users:3001", "http://users:3001"),
        ("no url", "no url"),
    ],
)
def test_credentials_are_not_shown(url: str, shown: str) -> None:
    assert shown == without_credentials(url)
