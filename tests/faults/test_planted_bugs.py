"""The proof of the storm: in a shop of which one service has a bug, the run finds it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.faults.storm.plan import BROKER, Fault, Step
from tests.faults.storm.round import Kept, Round
from tests.shopping import SYSTEM_FILE

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

PLANTED = Path(__file__).parent / "planted"
SECONDS = 5.0


async def findings(folder: Path, module: str, steps: Sequence[Step], *load: str) -> str:
    """What a run says of a shop of which one service is the planted `module`, named after the service."""
    service = module.partition("_")[0]
    shutil.copytree(PLANTED, folder, dirs_exist_ok=True)
    file = folder / "atoll.toml"
    text = SYSTEM_FILE.read_text().replace(f'module = "shop_{service}"\nport', f'module = "{module}"\nport')
    file.write_text(text.replace('"sample/', f'"{SYSTEM_FILE.parent}/sample/'))
    load = ("--buyers", "2", "--concurrency", "8", *load)
    outcome = await Round(Kept(folder), steps, SECONDS + 0.5, file=file, replicas=1, load=load, quiet_within=15.0).run()
    return "\n".join(outcome.findings)


def kills(target: str) -> list[Step]:
    """One every 0.8 s: each meets something else half-done."""
    return [Step(0.5 + 0.8 * number, Fault.KILL, target) for number in range(5)]


async def test_without_a_bug_nothing_is_found(tmp_path: Path) -> None:
    steps = [*kills("products"), Step(2.0, Fault.WIPE, BROKER)]

    assert "" == await findings(tmp_path, "shop_products", steps)


async def test_no_inbox_is_found(tmp_path: Path) -> None:
    assert "was not noted" in await findings(tmp_path, "products_without_inbox", [])


async def test_publishing_before_the_commit_is_found(tmp_path: Path) -> None:
    found = await findings(tmp_path, "orders_publishing_early", kills("orders"))

    assert "was noted, and nobody has said it" in found


async def test_acknowledging_before_the_effect_is_found(tmp_path: Path) -> None:
    found = await findings(tmp_path, "products_acknowledging_early", kills("products"))

    assert "was not noted" in found


async def test_a_group_that_begins_with_the_next_message_is_found(tmp_path: Path) -> None:
    found = await findings(tmp_path, "products_joining_late", [Step(2.0, Fault.WIPE, BROKER)])

    assert "was not noted" in found


async def test_what_a_dead_process_was_given_and_nobody_asks_for_is_found(tmp_path: Path) -> None:
    found = await findings(tmp_path, "products_forgetting_pending", kills("products"))

    assert "not quiet" in found


async def test_selling_what_is_not_there_is_found(tmp_path: Path) -> None:
    found = await findings(tmp_path, "products_selling_everything", [], "--stock", "20", "--mix", "place=1")

    assert "no oversell broken" in found
