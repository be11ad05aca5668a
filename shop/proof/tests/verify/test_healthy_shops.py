"""`verify` finds nothing wrong with a shop in which nothing is wrong, whatever happens in it."""

import random

import pytest
from shop.proof.tests.small_shop import HOLD, Crash, SmallShop

from atoll.identity.principal import Principal
from shop_orders.use_cases.place_order import PlaceOrder
from shop_proof.verify.promises import Outcome

ALL = set(range(1, 13))


async def outcomes(shop: SmallShop) -> dict[int, Outcome]:
    return {number: verdict.outcome for number, verdict in (await shop.verdicts()).items()}


async def test_a_shop_without_customers_keeps_every_promise(shop: SmallShop) -> None:
    found = await outcomes(shop)

    assert dict.fromkeys(range(1, 9), Outcome.OK) == {number: found[number] for number in range(1, 9)}


async def test_after_a_busy_day_every_promise_is_found_kept(shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = await shop.sign_up("Ann"), await shop.sign_up("Bob")
    lamp, chair, desk = await shop.stock_up(10, 3, 100)

    first = await shop.buy(ann, {lamp: 2, chair: 1}, key="first")
    await shop.buy(ann, {lamp: 2, chair: 1}, key="first")
    await shop.buy(bob, {chair: 3}, key="too-many")
    second = await shop.buy(bob, {chair: 2, desk: 10}, key="second")
    await shop.look(ann, first)
    await shop.come_to_rest()
    await shop.look(ann, first)
    await shop.cancel(bob, second)
    await shop.cancel(bob, second)
    await shop.restock(chair, 5)
    await shop.restock(chair, 5)
    await shop.ship(first)
    await shop.look(ann, first)
    await crash_before_commit(shop, monkeypatch, ann, {desk: 7}, key="died")
    await shop.clock.advance(HOLD.total_seconds() + 60)
    await shop.sweep()
    await shop.buy(ann, {desk: 7}, key="died")
    await shop.come_to_rest()
    verdicts = await shop.verdicts()

    assert [] == [finding for verdict in verdicts.values() for finding in verdict.findings]
    assert {Outcome.OK} == {verdicts[number].outcome for number in ALL - {12}}
    assert Outcome.NOT_VISIBLE == verdicts[12].outcome


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_customers_do_every_promise_is_found_kept(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test to be repeated
    buyers = [await shop.sign_up(name) for name in ("Ann", "Bob", "Cleo")]
    products = await shop.stock_up(5, 9, 40)
    placed: list[tuple[Principal, str]] = []
    for number in range(60):
        buyer = chance.choice(buyers)
        basket = {each: chance.randint(1, 4) for each in chance.sample(products, chance.randint(1, 3))}
        match chance.randint(0, 9):
            case 0 | 1 | 2 | 3:
                order_id = await shop.buy(buyer, basket, key=key_for(chance.randint(0, number), basket))
                placed += [(buyer, order_id)] if order_id else []
            case 4 if placed:
                await shop.cancel(*chance.choice(placed))
            case 5 | 6 if placed:
                await shop.look(*chance.choice(placed))
            case 7:
                await crash_before_commit(shop, monkeypatch, buyer, basket, key=f"died-{number}")
            case 8:
                await shop.restock(chance.choice(products), chance.randint(1, 3), key=f"restock-{number}")
            case _:
                await shop.clock.advance(chance.choice((1, 60, 700)))
                await shop.come_to_rest()
                await shop.sweep()
    await shop.come_to_rest()
    await shop.clock.advance(HOLD.total_seconds() + 60)
    await shop.sweep()
    verdicts = await shop.verdicts()

    assert [] == [finding for verdict in verdicts.values() for finding in verdict.findings]


def key_for(number: int, basket: dict[str, int]) -> str:
    """The same for the same basket: a key with another one is another mistake."""
    return f"{number}-" + "-".join(f"{each}x{quantity}" for each, quantity in sorted(basket.items()))


async def crash_before_commit(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch, buyer: Principal, wanted: dict[str, int], key: str
) -> None:
    """The orders service dies between its reservation and its commit."""

    async def die(*_: object) -> bytes:
        raise Crash("connection lost")

    with monkeypatch.context() as bug:
        bug.setattr(PlaceOrder, "_commit", die)
        await shop.buy(buyer, wanted, key)


async def test_what_is_not_decided_yet_leaves_a_promise_open_and_not_broken(shop: SmallShop) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    found = await outcomes(shop)

    assert Outcome.OPEN == found[8]
    assert Outcome.BROKEN not in found.values()


async def test_a_hold_that_may_still_become_an_order_is_no_leak(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await crash_before_commit(shop, monkeypatch, ann, {lamp: 1}, key="died")
    found = await outcomes(shop)

    assert Outcome.OPEN == found[1]
    assert Outcome.BROKEN not in found.values()


async def test_without_a_history_it_says_what_it_cannot_see(shop: SmallShop) -> None:
    shop.history.path.unlink()
    shop.history.path.touch()
    verdict = (await shop.verdicts())[9]

    assert Outcome.NOT_VISIBLE == verdict.outcome
    assert "--history" in verdict.not_visible
