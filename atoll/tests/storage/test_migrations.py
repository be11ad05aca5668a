import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atoll.storage import Migration, load_migrations
from atoll.storage.migrations import MigrationsInvalid

NewPackage = Callable[[dict[str, str]], str]


@pytest.fixture
def new_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NewPackage:
    """Makes an importable package with these files in its folder of migrations, and gives its name."""

    def make(files: dict[str, str]) -> str:
        name = f"migrated_{abs(hash(tmp_path))}"
        folder = tmp_path / name / "migrations"
        folder.mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
        for file, sql in files.items():
            (folder / file).write_text(sql)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make


def test_files_are_loaded_in_the_order_of_their_numbers(new_package: NewPackage) -> None:
    package = new_package({"0002_more.sql": "SELECT 2", "0001_first.sql": "SELECT 1", "__init__.py": ""})

    assert [Migration(1, "first", "SELECT 1"), Migration(2, "more", "SELECT 2")] == load_migrations(package)


@pytest.mark.parametrize(
    ("files", "mistake"),
    [
        ({"0001_a.sql": "", "0003_c.sql": ""}, "There is no migration 0002 before 0003_c"),
        ({"0002_b.sql": ""}, "There is no migration 0001 before 0002_b"),
        ({"0001_a.sql": "", "0001_b.sql": ""}, "Two migrations have the number 0001"),
        ({"first.sql": ""}, "first.sql is not the name of a migration"),
        ({"0001_a.sql": "", "notes.txt": ""}, "notes.txt is not the name of a migration"),
    ],
)
def test_a_mistake_in_the_names_is_said_clearly(new_package: NewPackage, files: dict[str, str], mistake: str) -> None:
    package = new_package(files)

    with pytest.raises(MigrationsInvalid, match=mistake):
        load_migrations(package)


def test_a_file_of_another_package_can_be_included(new_package: NewPackage) -> None:
    package = new_package({"0001_ours.sql": "SELECT 1;\n-- include atoll.events 0001_events\nSELECT 2;"})
    (migration,) = load_migrations(package)

    assert migration.sql.startswith("SELECT 1;\n-- Events of ours")
    assert migration.sql.endswith("SELECT 2;")


def test_a_file_that_is_not_there_cannot_be_included(new_package: NewPackage) -> None:
    package = new_package({"0001_ours.sql": "-- include atoll.events 0009_more"})

    with pytest.raises(ValueError, match="There is no 0009_more"):
        load_migrations(package)


def test_a_package_without_migrations_is_named() -> None:
    with pytest.raises(ValueError, match="atoll has no folder of migrations"):
        load_migrations("atoll")


def test_the_checksum_does_not_depend_on_line_ends() -> None:
    assert Migration(1, "a", "SELECT 1;\nSELECT 2;\n").checksum == Migration(1, "a", "SELECT 1;\r\nSELECT 2;").checksum
    assert Migration(1, "a", "SELECT 1").checksum != Migration(1, "a", "SELECT 2").checksum
