"""When `verify` looks: once the system has come to rest, and again when something has moved meanwhile."""

import asyncio

import pytest
from shop.proof.tests.small_shop import SmallShop

from shop_proof.verify import testimony, verifying
from shop_proof.verify.judging import judge
from shop_proof.verify.promises import Outcome, Scene, Verdict
from shop_proof.verify.records import Databases


async def test_it_waits_until_nothing_is_pending(shop: SmallShop) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    reporting = asyncio.create_task(shop.report(system_runs=True, patience=30))
    await shop.clock.wait_for_sleepers()
    await shop.come_to_rest()
    await shop.clock.advance(1)
    report = await reporting

    assert report.is_good
    assert (0, 0, 0) == (report.pending, report.held, report.events)
    assert 0 < report.waited <= 1


async def test_it_does_not_wait_for_ever(shop: SmallShop) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    await shop.clock.advance(1)
    reporting = asyncio.create_task(shop.report(system_runs=True, patience=30))
    await shop.clock.wait_for_sleepers()
    await shop.clock.advance(31)
    report = await reporting

    assert (1, 1, 2) == (report.pending, report.held, report.events)
    assert Outcome.BROKEN == report.verdicts[7].outcome


async def test_it_does_not_wait_for_a_system_that_does_not_run(shop: SmallShop) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    report = await shop.report(system_runs=False, patience=30)

    assert (1, 0.0) == (report.pending, report.waited)


async def sell_meanwhile(shop: SmallShop, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Something is sold while `verify` looks, so many times."""
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.come_to_rest()
    left = iter(range(times))

    async def interrupted(databases: Databases, told: testimony.Testimony, scene: Scene) -> list[Verdict]:
        verdicts = await judge(databases, told, scene)
        for number in left:
            await shop.buy(ann, {lamp: 1}, key=f"key-{number}")
            await shop.come_to_rest()
            await shop.clock.advance(1)
            break
        return verdicts

    monkeypatch.setattr(verifying, "judge", interrupted)


async def test_it_looks_again_when_something_has_moved_meanwhile(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sell_meanwhile(shop, monkeypatch, times=2)
    report = await shop.report(system_runs=True, patience=30)

    assert report.is_still
    assert "2 orders" == report.verdicts[7].evidence


async def test_it_gives_no_verdict_on_a_system_that_never_rests(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sell_meanwhile(shop, monkeypatch, times=9)
    report = await shop.report(system_runs=True, patience=3)

    assert not report.is_still
    assert not report.is_good
    assert {Outcome.OPEN, Outcome.NOT_VISIBLE} == {verdict.outcome for verdict in report.verdicts}
