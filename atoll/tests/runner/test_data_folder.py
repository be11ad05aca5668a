import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atoll.runner.data_folder import DataFolder, DataFolderInUse, DataFolderUnusable
from atoll.runner.running_system import RunningSystem

RUNNING = RunningSystem(
    name="shop",
    file="/atoll.toml",
    runner_pid=1,
    started_at=datetime(2030, 1, 1, tzinfo=UTC),
    services={},
)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def test_the_folder_belongs_to_one_at_a_time(folder: DataFolder) -> None:
    in_use = pytest.raises(DataFolderInUse, match=r"in use by another `atoll up` \(process \d+\).*--data")
    with folder.locked(), in_use, DataFolder(folder.path).locked():
        pass

    with DataFolder(folder.path).locked():
        pass


def test_a_secret_is_made_once_and_kept_from_others(folder: DataFolder) -> None:
    secret = folder.secret("service_secret")

    assert len(secret) >= 32
    assert DataFolder(folder.path).secret("service_secret") == secret
    mode = (folder.path / "secrets/service_secret").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_secret_is_on_the_disk_before_it_has_its_name(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    sync, link = os.fsync, os.link

    def noted_sync(descriptor: int) -> None:
        sync(descriptor)
        happened.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "secret")

    def noted_link(draft: Path, path: Path) -> None:
        link(draft, path)
        happened.append("name")

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "link", noted_link)
    folder.secret("service_secret")

    assert ["secret", "name", "folder"] == happened[-3:]


def test_whoever_looks_at_the_folder_is_in_nobodys_way(folder: DataFolder) -> None:
    stopped = threading.Event()

    def look() -> None:
        while not stopped.is_set():
            folder.is_locked()

    with ThreadPoolExecutor(2) as others:
        looking = [others.submit(look) for _ in range(2)]
        try:
            for _ in range(100):
                with folder.locked():
                    pass
        finally:
            stopped.set()
        for each in looking:
            each.result()


def test_secrets_differ(folder: DataFolder) -> None:
    assert folder.secret("one") != folder.secret("two")


def test_whoever_asks_first_makes_the_secret_for_all(folder: DataFolder) -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = set(threads.map(lambda _: folder.secret("service_secret"), range(32)))

    assert len(secrets) == 1
    assert [path.name for path in (folder.path / "secrets").iterdir()] == ["service_secret"]


def test_a_folder_that_cannot_be_made_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = DataFolder(tmp_path / "file" / "data")

    with (
        pytest.raises(DataFolderUnusable, match=r"file/data cannot be used: .*: Not a directory\. .* --data"),
        folder.locked(),
    ):
        pass
    with pytest.raises(DataFolderUnusable):
        folder.running()
    with pytest.raises(DataFolderUnusable):
        folder.secret("service_secret")


def test_a_database_has_an_absolute_address(folder: DataFolder) -> None:
    assert folder.database_url("users") == f"sqlite:///{folder.path}/users.db"


def test_what_runs_is_told_while_it_runs(folder: DataFolder) -> None:
    with folder.locked():
        folder.note(RUNNING)

        assert DataFolder(folder.path).running() == RUNNING


def test_an_old_note_is_not_believed(folder: DataFolder) -> None:
    with folder.locked():
        folder.note(RUNNING)

    assert folder.running() is None


def test_nothing_runs_in_a_folder_that_is_not_there(folder: DataFolder) -> None:
    assert folder.running() is None
    assert not folder.path.exists()


def test_a_clean_end_leaves_no_note(folder: DataFolder) -> None:
    with folder.locked():
        folder.note(RUNNING)
        folder.forget()

        assert folder.running() is None
