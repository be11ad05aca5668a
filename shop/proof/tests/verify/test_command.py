"""`atoll verify` as a command: what it prints, and its exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from shop.proof.tests.small_shop import SmallShop

from shop_proof.verify.__main__ import verify
from shop_proof.verify.promises import Outcome, Verdict
from shop_proof.verify.report import Report

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command, on the databases of a stopped shop."""

    def run(*arguments: str, **environment: str) -> Result:
        urls = {f"{name.upper()}_DATABASE_URL": f"sqlite:///{tmp_path}/{name}.db" for name in SERVICES}
        return CliRunner().invoke(verify, arguments, env={**urls, "ATOLL_DATA": str(tmp_path), **environment})

    return run


SERVICES = ("users", "products", "orders")


async def make_shop(folder: Path, *, price_changes: bool = False) -> None:
    async with SmallShop(folder) as shop:
        ann = await shop.sign_up()
        (lamp,) = await shop.stock_up(10)
        await shop.buy(ann, {lamp: 1})
        await shop.come_to_rest()
        if price_changes:
            await shop.products.transaction(lambda tx: tx.execute("UPDATE products SET price = price + 1"))


@pytest.fixture
async def healthy(tmp_path: Path) -> None:
    await make_shop(tmp_path)


@pytest.fixture
async def broken(tmp_path: Path) -> None:
    await make_shop(tmp_path, price_changes=True)


def test_a_healthy_shop_gives_twelve_verdicts_and_exit_code_0(run: Run, healthy: None, tmp_path: Path) -> None:
    result = run("--history", f"{tmp_path}/history.jsonl")

    assert 0 == result.exit_code, result.output
    assert "Nothing runs here, and nothing was left undecided." in result.output
    assert "1  conservation             ok          1 product, 2 ledger rows" in result.output
    assert "not visible here: that fsync comes before the answer is shown by" in result.output
    assert "Every promise that can be seen from here is kept." in result.output


def test_a_broken_promise_is_named_with_what_contradicts_it_and_exit_code_1(run: Run, broken: None) -> None:
    result = run()

    assert 1 == result.exit_code
    assert "6  exact prices             broken" in result.output
    assert "costs 20.00 at version 1, and was reserved as Lamp 0 for 19.99." in result.output
    assert "Broken: 6 exact prices." in result.output


def test_programs_get_json(run: Run, broken: None) -> None:
    report = json.loads(run("--json").stdout)

    assert [6] == [verdict["number"] for verdict in report["verdicts"] if verdict["outcome"] == "broken"]
    assert [*range(1, 13), 16] == [verdict["number"] for verdict in report["verdicts"]]
    assert (False, True) == (report["systemRuns"], report["isStill"])


def test_a_missing_database_is_told_in_words(run: Run) -> None:
    result = run()

    assert 1 == result.exit_code
    assert "There is no database" in result.output


def test_a_history_that_is_none_is_told_in_words(run: Run, healthy: None, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text("Once upon a time\n")
    result = run("--history", f"{tmp_path}/history.jsonl")

    assert 1 == result.exit_code
    assert "is no history: line 1 cannot be read" in result.output


def test_without_addresses_it_says_how_it_is_run() -> None:
    result = CliRunner().invoke(verify, [], env={"USERS_DATABASE_URL": None})

    assert 2 == result.exit_code
    assert "run this as `atoll verify`" in result.output


def report_of(*outcomes: Outcome, pending: int = 0, system_runs: bool = True, is_still: bool = True) -> Report:
    verdicts = [
        Verdict(
            number=number,
            name="a promise",
            outcome=outcome,
            evidence="",
            findings=["It is so"],
            count=30,
            not_visible="",
        )
        for number, outcome in enumerate(outcomes, 1)
    ]
    return Report(
        verdicts=verdicts,
        system_runs=system_runs,
        waited=2.5,
        pending=pending,
        held=0,
        events=0,
        is_still=is_still,
        requests=0,
        unanswered=0,
    )


@pytest.mark.parametrize(
    ("outcomes", "is_good"),
    [
        ((Outcome.OK, Outcome.NOT_VISIBLE), True),
        ((Outcome.OK, Outcome.OPEN), False),
        ((Outcome.OK, Outcome.BROKEN), False),
    ],
)
def test_only_what_is_kept_or_not_visible_is_good(outcomes: tuple[Outcome, ...], is_good: bool) -> None:
    assert is_good == report_of(*outcomes).is_good


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (report_of(), "Quiet after 2.5 s"),
        (report_of(pending=3), "Not quiet after 2.5 s: 3 orders, 0 holds and 0 events are still undecided."),
        (report_of(is_still=False), "The system is at work."),
        (report_of(pending=3, system_runs=False), "Start the system to let it decide."),
        (report_of(Outcome.OPEN), "this cannot be said yet: 1 a promise."),
        (report_of(Outcome.BROKEN), "- and 29 more."),
    ],
)
def test_the_report_says_how_it_was(report: Report, words: str) -> None:
    assert words in "\n".join(report.lines())


def test_no_verdict_is_given_on_a_moment_in_which_things_moved() -> None:
    (broken, unseen) = report_of(Outcome.BROKEN, Outcome.NOT_VISIBLE).verdicts

    assert (Outcome.OPEN, Outcome.NOT_VISIBLE) == (broken.withheld().outcome, unseen.withheld().outcome)
    assert () == tuple(broken.withheld().findings)
