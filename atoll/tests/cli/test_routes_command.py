"""`atoll routes`: the door on one page."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from atoll.cli.commands import atoll

SYSTEM = """
[gateway.limits]
default = { address = "100 per 15 min", user = "1_000_000 per 15 min" }

[[gateway.routes]]
path = "/products/{id}"
methods = ["GET"]
to = "products"
access = "public"
priority = "low"

[[gateway.routes]]
path = "/products/import"
to = "products"
access = "admin"
cost = 10
attempt_timeout = 60
body_limit = 1_099_511_627_776
"""


def run(path: Path) -> tuple[int, str]:
    found = CliRunner().invoke(
        atoll, ["routes", "--file", str(path)], env={"COLUMNS": "200", "ATOLL_ENV": "development"}
    )
    return found.exit_code, found.output


def test_it_says_what_goes_where_and_with_which_rules(tmp_path: Path) -> None:
    path = tmp_path / "atoll.toml"
    path.write_text(SYSTEM)
    code, output = run(path)
    lines = [" ".join(line.split()) for line in output.splitlines()]

    assert code == 0
    assert "/api/products/{id} GET products public default low priority" in lines
    assert "/api/products/import all products admin default, 10 units bodies up to 1 TiB, attempt 60 s" in lines
    assert "default 100 requests in 15 minutes 1,000,000 requests in 15 minutes" in lines


@pytest.mark.parametrize("text", ["[[gateway.routes]]\npath = 'x'\nto = 'things'\naccess = 'public'\n", "["])
def test_what_the_gateway_could_not_start_with_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "atoll.toml"
    path.write_text(text)
    code, output = run(path)

    assert code == 2
    assert output
