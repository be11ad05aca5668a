"""Every service does what its OpenAPI document says, and nothing else, whatever schemathesis thinks of to ask."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.contract.one_process import OneProcessShop, Person, service_headers

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = Path(__file__).parent
THOROUGH = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "10")
QUICK = ("--phases", "examples,fuzzing", "--max-examples", "5")


class Visit(NamedTuple):
    """One service tried by one caller."""

    service: str
    caller: str
    effort: Sequence[str]

    def __str__(self) -> str:
        return f"{self.service}-{self.caller}"


VISITS = (
    Visit("registry", "nobody", QUICK),
    Visit("registry", "service", THOROUGH),
    Visit("users", "nobody", QUICK),
    Visit("users", "user", QUICK),
    Visit("users", "admin", THOROUGH),
    Visit("products", "nobody", QUICK),
    Visit("products", "admin", THOROUGH),
    Visit("products", "service", THOROUGH),
    Visit("orders", "nobody", QUICK),
    Visit("orders", "user", THOROUGH),
    Visit("orders", "admin", QUICK),
)
"""Thorough by those who may do most; who is refused where is the subject of `test_authorization.py`."""


@pytest.mark.parametrize("visit", VISITS, ids=str)
async def test_a_service_keeps_to_its_document(
    visit: Visit, shop: OneProcessShop, admin: Person, customer: Person, tmp_path: Path
) -> None:
    service, caller, effort = visit
    headers = {
        "nobody": {},
        "user": customer.headers,
        "admin": admin.headers,
        "service": service_headers("tests", to=service),
    }
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(with_named_statuses_only(await shop.ask(service, "GET", "/openapi.json"))))

    code, printed = await schemathesis(document, shop.urls[service], headers[caller], effort, tmp_path)

    assert code == 0, printed


def with_named_statuses_only(document: Any) -> Any:
    """The document without its words for all other statuses, so that one of those is a failure."""
    for operations in document["paths"].values():
        for operation in operations.values():
            del operation["responses"]["default"]
    return document


async def schemathesis(
    document: Path, url: str, headers: dict[str, str], options: Sequence[str], folder: Path
) -> tuple[int, str]:
    """Run it as anybody would on the command line; gives its exit code and what it printed."""
    given = [option for name, value in headers.items() for option in ("--header", f"{name}: {value}")]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
    process = await asyncio.create_subprocess_exec(
        *command, str(document), "--url", url, *given, *options,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()
