"""The short form of `make faults`: two of each service, a broker killed and wiped, people who buy all the while."""

import sys
from pathlib import Path

import pytest
from tests.faults.storm.plan import BROKER, FORKS, Fault, Step
from tests.faults.storm.round import Kept, Round

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

STEPS = [
    Step(0.5, Fault.KILL, "orders"),
    Step(1.2, Fault.KILL, BROKER),
    Step(1.7, Fault.FREEZE, "products-2", 1.0),
    Step(2.2, Fault.KILL, "products"),
    Step(2.8, Fault.WIPE, BROKER),
    Step(3.2, Fault.KILL, "orders-2"),
    Step(3.8, Fault.KILL, "gateway"),
    *([Step(4.4, Fault.KILL, FORKS)] if sys.platform == "linux" else []),
]


async def test_every_promise_is_kept_whatever_dies(tmp_path: Path) -> None:
    outcome = await Round(Kept(tmp_path), STEPS, 5.0).run()

    assert [] == outcome.findings
    assert outcome.requests > 50
    assert sum(map(bool, outcome.kills)) >= 3, "too few kills met anything"
