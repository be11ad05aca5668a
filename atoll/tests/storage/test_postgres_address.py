"""What a PostgreSQL address may say."""

import sys

import pytest

from atoll.storage import open_database, open_read_only
from atoll.storage.postgres import libpq_url, parse_address


@pytest.mark.parametrize(
    ("url", "place", "size"),
    [
        ("postgresql://ann:secret@db.example:6432/orders", "db.example:6432/orders", 10),
        ("postgres://ann@localhost/orders?pool_size=3", "localhost:5432/orders", 3),
        ("postgresql:///orders?host=/run/postgresql&user=ann", "/run/postgresql:5432/orders", 10),
        ("postgresql://[::1]/or%20ders?sslmode=verify-full&sslrootcert=/dev/null", "::1:5432/or ders", 10),
        ("postgresql://ann:secret@one:5433,two/orders", "one:5433,two:5432/orders", 10),
        ("postgresql://ann:sec%40ret@/orders?port=5433", "localhost:5433/orders", 10),
    ],
)
def test_an_address_says_where_and_over_how_many_connections(url: str, place: str, size: int) -> None:
    address = parse_address(url)

    assert (place, size) == (str(address), address.pool_size)
    assert "secret" not in repr(address)


def test_what_is_ours_and_the_sessions_does_not_reach_the_driver() -> None:
    address = parse_address("postgresql://ann:x@h/d?pool_size=3&application_name=orders&sslmode=require&search_path=a")

    assert "postgresql://ann:x@h/d?sslmode=require" == address.dsn
    assert {"application_name": "orders", "search_path": "a"} == address.settings


def test_other_programs_get_the_address_without_what_is_ours() -> None:
    url = "postgresql://ann:x%2F@h:1/d?pool_size=3&application_name=orders&sslmode=require&search_path=a"

    assert "postgresql://ann:x%2F@h:1/d?application_name=orders&sslmode=require" == libpq_url(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ann:secret@host", "needs the name of a database"),
        ("postgresql://ann:secret/more@host/orders", "This is not an address"),
        ("postgresql://ann:secret@host:99999/orders", "This is not an address"),
        ("postgresql://ann:0/secret@host/orders", "This is not an address.* %2F for /"),
        ("postgresql://ann:1/secret@host/orders", "This is not an address"),
        ("postgresql://ann:1?secret@host/orders", "This is not an address"),
        ("postgresql://ann:secret@1@host/orders", "This is not an address.* %40 for @"),
        ("postgresql://ann:secret@host/orders#1", "This is not an address.* %23 for #"),
        ("postgresql://ann:0#secret@host/orders", "This is not an address"),
        ("postgresql://ann:secret@host,[::1/orders", "This is not an address"),
        ("postgresql://ann:secret@host/orders?ssl=yes", "ssl is no option .* sslmode"),
        ("postgresql://ann:secret@host/orders?sslmode=always", "sslmode is one of disable"),
        ("postgresql://ann:secret@host/orders?ssl_min_protocol_version=SSLv3", "is one of TLSv1, "),
        (
            "postgresql://ann:secret@host/orders?target_session_attrs=best",
            "target_session_attrs is one of any, primary",
        ),
        (
            "postgresql://ann:secret@host/orders?sslrootcert=/nowhere",
            "sslrootcert names /nowhere, which cannot be read",
        ),
        ("postgresql://ann:secret@host/orders?sslmode=require&sslrootcert=system", "with sslmode=verify-full only"),
        ("postgresql://ann:secret@host/orders?sslcert=/dev/null&sslrootcert=system", "name a file of authorities"),
        ("postgresql://ann:secret@host/orders?pool_size=0", "from 1 to 1000"),
        ("postgresql://ann:secret@host/orders?pool_size=many", "from 1 to 1000"),
    ],
)
def test_a_mistake_is_told_in_words_that_hold_no_secret(url: str, words: str) -> None:
    for open_it in (open_database, open_read_only):
        with pytest.raises(ValueError, match=words) as refusal:
            open_it(url)

        assert "secret" not in str(refusal.value)


def test_a_missing_driver_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("atoll.storage.postgres")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(ValueError, match=r"pip install 'atoll\[postgres\]'"):
        open_database("postgresql://ann@host/orders")
