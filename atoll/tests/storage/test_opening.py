from pathlib import Path

import pytest

from atoll.storage import open_database
from atoll.storage.opening import AddressInvalid


async def test_a_file_is_opened_at_an_absolute_path(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/new%20folder/one.db") as database:
        assert (1,) == await database.fetch_one("SELECT 1")

    assert (tmp_path / "new folder" / "one.db").exists()


async def test_a_file_is_opened_at_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_database("sqlite:///data/one.db"):
        pass

    assert (tmp_path / "data" / "one.db").exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://user:secret@host/orders", "mysql:// is no database that is known here"),
        ("orders.db", "starts with its kind"),
        ("", "starts with its kind"),
        ("sqlite://orders.db", "three slashes"),
        ("sqlite:///", "needs the path of a file"),
        ("sqlite:///:memory:", "needs the path of a file"),
        ("sqlite:///orders.db?mode=ro", "takes nothing after the path"),
    ],
)
def test_another_address_is_refused_in_words_that_hold_no_secret(url: str, words: str) -> None:
    with pytest.raises(AddressInvalid, match=words) as refusal:
        open_database(url)

    assert "sqlite:///data/orders.db" in str(refusal.value)
    assert "secret" not in str(refusal.value)
