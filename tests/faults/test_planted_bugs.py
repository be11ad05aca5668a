"""The proof of the storm: in a shop of which one service has a bug, the run finds it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.faults.storm.plan import BROKER, Fault, Step
from tests.faults.storm.round import Kept, Round
from tests.shopping import SYSTEM_FILE

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

SECONDS = 4.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For the data; what is started here finds the planted modules."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return tmp_path


async def findings(folder: Path, bug: str, steps: Sequence[Step], *load: str) -> str:
    """What a run says of a shop with this `bug`, a planted module that is named after the service it spoils."""
    service = bug.partition("_")[0]
    text = SYSTEM_FILE.read_text().replace('"sample/', f'"{SYSTEM_FILE.parent}/sample/')
    if bug:
        text = text.replace(f'module = "shop_{service}"\nport', f'module = "tests.faults.planted.{bug}"\nport')
    file = folder / "atoll.toml"
    file.write_text(text)
    load = ("--buyers", "2", "--concurrency", "8", *load)
    outcome = await Round(Kept(folder), steps, SECONDS, file=file, replicas=1, load=load, quiet_within=15.0).run()
    return "\n".join(outcome.findings)


async def test_without_a_bug_nothing_is_found(folder: Path) -> None:
    steps = [Step(1.0, Fault.KILL, "products"), Step(1.1, Fault.WIPE, BROKER), Step(2.5, Fault.KILL, "orders")]

    assert "" == await findings(folder, "", steps)


async def test_no_inbox_is_found(folder: Path) -> None:
    assert "was not noted" in await findings(folder, "products_without_inbox", [])


async def test_publishing_before_the_commit_is_found(folder: Path) -> None:
    assert "was noted, and nobody has said it" in await findings(folder, "orders_publishing_early", [])


async def test_acknowledging_before_the_effect_is_found(folder: Path) -> None:
    assert "was not noted" in await findings(folder, "products_acknowledging_early", [])


async def test_a_group_that_begins_with_the_next_message_is_found(folder: Path) -> None:
    steps = [Step(1.0, Fault.KILL, "products"), Step(1.1, Fault.WIPE, BROKER)]

    assert "was not noted" in await findings(folder, "products_joining_late", steps)


async def test_what_a_dead_process_was_given_and_nobody_asks_for_is_found(folder: Path) -> None:
    assert "not quiet" in await findings(folder, "products_forgetting_pending", [])


async def test_selling_what_is_not_there_is_found(folder: Path) -> None:
    load = ("--stock", "20", "--mix", "place=1")

    assert "no oversell broken" in await findings(folder, "products_selling_everything", [], *load)
