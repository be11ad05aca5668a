"""What must not get into a log line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.observability.redaction import hide_in_text, hide_values
from atoll.settings import Secret

SENSITIVE = [
    "password",
    "Password",
    "new_password",
    "newPassword",
    "secret",
    "service_secret",
    "SERVICE_SECRET",
    "token",
    "access_token",
    "accessToken",
    "refreshToken",
    "authorization",
    "Authorization",
    "Proxy-Authorization",
    "cookie",
    "Set-Cookie",
    "api_key",
    "apiKey",
    "X-Api-Key",
    "private_key",
    "passphrase",
    "credentials",
    "secrets",
    "secret_key",
    "signingKey",
    "access_key",
    "password_hash",
]

HARMLESS = [
    "event",
    "port",
    "tokens",
    "token_type",
    "secretary",
    "order_id",
    "idempotency_key",
    "key",
    "passwords_checked",
]


@pytest.mark.parametrize("name", SENSITIVE)
def test_values_under_sensitive_names_are_hidden(name: str) -> None:
    assert {name: "***"} == hide_values({name: "hunter2"})


@pytest.mark.parametrize("name", HARMLESS)
def test_values_under_other_names_are_shown(name: str) -> None:
    assert {name: "shown"} == hide_values({name: "shown"})


@pytest.mark.parametrize("value", ["hunter2", b"hunter2", 42, ["hunter2"], {"a": "hunter2"}, Secret("hunter2")])
def test_values_of_any_type_are_hidden(value: object) -> None:
    assert {"password": "***"} == hide_values({"password": value})


def test_mappings_are_searched() -> None:
    headers = {"Host": "a", "Authorization": "hunter2", "more": {"token": "hunter2"}}

    assert {"headers": {"Host": "a", "Authorization": "***", "more": {"token": "***"}}} == hide_values(
        {"headers": headers}
    )


def test_names_that_are_no_texts_are_left_alone() -> None:
    assert {"by_status": {404: 1}} == hide_values({"by_status": {404: 1}})


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://orders:hunter2@db/orders", "postgresql://***@db/orders"),
        ("redis://:hunter2@cache:6379/0 is away", "redis://***@cache:6379/0 is away"),
        ("https://hunter2@host", "https://***@host"),
        ("two: a://b:c@d and e://f:g@h", "two: a://***@d and e://***@h"),
        ("http://host/path?mail=a@b.c", "http://host/path?mail=a@b.c"),
        ("http://host and mail a@b.c", "http://host and mail a@b.c"),
        ("sqlite:///data/a@b.db", "sqlite:///data/a@b.db"),
        ("authorization: Bearer abcdefghij.klm-nop_q", "authorization: Bearer ***"),
        ("Basic dXNlcjpodW50ZXIy", "Basic ***"),
        ("Bearer tokens are nice", "Bearer tokens are nice"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_credentials_in_texts_are_hidden(text: str, hidden: str) -> None:
    assert hidden == hide_in_text(text)


@given(st.text())
def test_hiding_twice_changes_nothing(text: str) -> None:
    assert hide_in_text(text) == hide_in_text(hide_in_text(text))


@given(st.text("abcXYZ019._-", min_size=8))
def test_no_token_is_left(token: str) -> None:
    assert token not in hide_in_text(f"Authorization: Bearer {token}\nnext")
