"""The proof of `verify`: for each promise the real services get a bug, and it is found."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from shop.proof.tests.small_shop import HOLD, Crash, Post, SmallShop

from atoll import wire
from atoll.events import Mark
from atoll.idempotency import Asked, KeptAnswer, KeyedRequest, kept_answers
from atoll.storage import Reading, Transaction
from shop_contracts.money import Money
from shop_contracts.orders import OrderLine
from shop_contracts.products import Reservation, ReservedLine
from shop_orders import domain as orders_domain
from shop_orders.answers import order_answer
from shop_orders.domain import InsufficientStock, Order, Status
from shop_orders.store import orders as orders_store
from shop_orders.store.orders import Moved, NewRow
from shop_orders.use_cases import place_order
from shop_orders.use_cases.place_order import PlaceOrder
from shop_orders.use_cases.write_orders import WriteOrders
from shop_products import domain as products_domain
from shop_products.domain import StockCause
from shop_products.store import reservations, stock
from shop_proof.verify.promises import Outcome

Bug = pytest.MonkeyPatch


async def sell_and_cancel(shop: SmallShop) -> set[int]:
    """An ordinary morning, and what is broken after it."""
    ann = await shop.sign_up()
    lamp, chair = await shop.stock_up(10, 5)
    first = await shop.buy(ann, {lamp: 2, chair: 1}, key="first")
    await shop.buy(ann, {lamp: 2, chair: 1}, key="first")
    await shop.buy(ann, {lamp: 1}, key="second")
    await shop.come_to_rest()
    await shop.look(ann, first)
    await shop.cancel(ann, first)
    await shop.come_to_rest()
    return await shop.broken()


async def test_without_a_bug_nothing_is_found(shop: SmallShop) -> None:
    assert set() == await sell_and_cancel(shop)


# 1 conservation


async def test_1_a_row_missing_in_the_ledger_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    record = stock._record

    async def forget_the_last(tx: Transaction, moves: Sequence[stock.Move], *rest: Any) -> None:
        await record(tx, moves[:-1] if len(moves) > 1 else moves, *rest)

    monkeypatch.setattr(stock, "_record", forget_the_last)

    assert 1 in await sell_and_cancel(shop)


async def test_1_stock_that_does_not_come_back_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    async def only_write_it_down(
        tx: Transaction, lines_of: Mapping[str, Sequence[ReservedLine]], cause: StockCause, now: int
    ) -> None:
        given = [(order_id, line) for order_id, lines in lines_of.items() for line in lines]
        moves = [stock.Move(line.product_id, line.quantity, order_id) for order_id, line in given]
        await stock._record(tx, moves, cause, now)

    monkeypatch.setattr(stock, "give_back", only_write_it_down)

    assert {1} == await sell_and_cancel(shop)


async def test_1_a_hold_that_nobody_frees_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    monkeypatch.setattr(PlaceOrder, "_commit", dies)
    await shop.buy(ann, {lamp: 1})
    await shop.clock.advance(HOLD.total_seconds() + 120)

    assert {1} == await shop.broken()


# 2 never negative, 3 no oversell


async def test_2_and_3_a_sale_of_what_is_not_there_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(2)
    await without_checks(shop)
    monkeypatch.setattr(products_domain, "_refuse_short", lambda *_: None)
    for number in range(3):
        await shop.buy(ann, {lamp: 1}, key=str(number))
    await shop.come_to_rest()

    assert {2, 3} == await shop.broken()


async def test_2_a_moment_below_zero_is_found_although_it_has_passed(shop: SmallShop, monkeypatch: Bug) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(2)
    await without_checks(shop)
    monkeypatch.setattr(products_domain, "_refuse_short", lambda *_: None)
    await shop.buy(ann, {lamp: 3})
    await shop.come_to_rest()
    await shop.restock(lamp, 10)

    assert {2} == await shop.broken()


async def test_3_a_refusal_although_there_was_enough_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    monkeypatch.setattr(stock, "_MOVE", "UPDATE stock SET available = available + $2 WHERE product_id = $1")
    refuse_short = products_domain._refuse_short

    def too_careful(items: Any, offers: Any) -> None:
        refuse_short(items, {each: offer._replace(available=offer.available - 5) for each, offer in offers.items()})

    monkeypatch.setattr(products_domain, "_refuse_short", too_careful)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(7)
    await shop.buy(ann, {lamp: 3})

    assert {3} == await shop.broken()


async def test_3_an_order_for_who_was_refused_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    place = PlaceOrder.__call__

    async def refuse_afterwards(self: PlaceOrder, *arguments: Any) -> bytes:
        await place(self, *arguments)
        raise InsufficientStock("Insufficient stock for product Lamp")

    monkeypatch.setattr(PlaceOrder, "__call__", refuse_afterwards)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()

    assert {3} == await shop.broken()


# 4 no leak, no resale


async def test_4_a_hold_freed_without_asking_orders_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    async def never_asks(_self: object, _order_id: str) -> bool:
        return False

    monkeypatch.setattr(SmallShop, "exists", never_asks)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    await shop.clock.advance(HOLD.total_seconds() + 60)
    await shop.sweep()
    await shop.come_to_rest()

    assert {4} == await shop.broken()


async def test_4_an_order_on_a_hold_that_had_ended_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    monkeypatch.setattr(WriteOrders, "_refuse_late", lambda *_: None)
    reserve = type(shop.at_products).reserve

    async def slowly(self: Any, *arguments: Any) -> Reservation:
        hold = await reserve(self, *arguments)
        await shop.clock.advance((HOLD + timedelta(seconds=1)).total_seconds())
        return hold

    monkeypatch.setattr(type(shop.at_products), "reserve", slowly)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()

    assert {4} == await shop.broken()


async def test_4_a_release_that_gives_nothing_back_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    monkeypatch.setattr(stock, "give_back", nothing)

    assert {1, 4} == await sell_and_cancel(shop)


async def test_4_stock_settled_for_nobody_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    monkeypatch.setattr(PlaceOrder, "_commit", dies)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    held = await shop.products.fetch_all("SELECT order_id FROM reservations")
    for (order_id,) in held:
        await shop.settle(order_id)

    assert {1, 4} == await shop.broken()


async def nothing(*_: object, **__: object) -> None:
    pass


# 5 all lines or none


async def test_5_a_line_that_is_not_taken_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    take = stock.take

    async def forget_the_last(tx: Transaction, holds: Sequence[Reservation], now: int) -> None:
        await take(tx, [msgspec.structs.replace(hold, items=hold.items[:-1] or hold.items) for hold in holds], now)

    monkeypatch.setattr(stock, "take", forget_the_last)

    assert 5 in await sell_and_cancel(shop)


async def test_5_a_line_that_the_order_lacks_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    lines = place_order._lines
    monkeypatch.setattr(place_order, "_lines", lambda hold: lines(hold)[:1])
    ann = await shop.sign_up()
    lamp, chair = await shop.stock_up(10, 5)
    await shop.buy(ann, {lamp: 2, chair: 1})
    await shop.come_to_rest()

    assert {1, 5} == await shop.broken()


# 6 exact prices


async def test_6_a_total_that_is_a_cent_off_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    total_of = orders_domain.total_of
    monkeypatch.setattr(orders_domain, "total_of", lambda lines: total_of(lines) + Money(1))

    assert {6} == await sell_and_cancel(shop)


async def test_6_a_price_that_is_not_the_products_own_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    def as_the_client_says(hold: Reservation) -> list[OrderLine]:
        return [msgspec.structs.replace(line, price=Money(1)) for line in lines(hold)]

    lines = place_order._lines

    monkeypatch.setattr(place_order, "_lines", as_the_client_says)

    assert {6} == await sell_and_cancel(shop)


async def test_6_another_price_than_the_catalogues_at_that_version_is_found(shop: SmallShop) -> None:
    broken = await sell_and_cancel(shop)
    await shop.products.transaction(lambda tx: tx.execute("UPDATE products SET price = price + 1"))

    assert set() == broken
    assert {6} == await shop.broken()


# 7 legal moves


async def test_7_stock_given_back_twice_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    again = reservations._RELEASE.replace("('held', 'settled')", "('held', 'settled', 'released')")
    monkeypatch.setattr(reservations, "_RELEASE", again)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    order_id = await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()
    await shop.cancel(ann, order_id)
    await shop.come_to_rest()
    await shop.release_order(order_id)

    assert {1, 7} == await shop.broken()


def allow(monkeypatch: Bug, status: Status, sources: frozenset[Status]) -> None:
    """Let orders come to a state from others than they should."""
    monkeypatch.setitem(orders_domain.CAME_FROM, status, sources)
    monkeypatch.setitem(orders_store._MOVE, status, orders_store._move_sql(status, sources))


async def test_7_a_shipped_order_that_is_cancelled_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    anything = frozenset({Status.PENDING, Status.CONFIRMED, Status.SHIPPED})
    allow(monkeypatch, Status.CANCELLED, anything)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    order_id = await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()
    await shop.ship(order_id)
    await shop.look(ann, order_id)
    await shop.cancel(ann, order_id)
    await shop.come_to_rest()

    assert {7} == await shop.broken()


async def test_7_a_state_left_out_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    allow(monkeypatch, Status.DELIVERED, frozenset({Status.CONFIRMED}))
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    order_id = await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()
    await shop.ship(order_id, Status.DELIVERED)

    assert {7} == await shop.broken()


async def test_7_a_state_that_was_not_written_down_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    forgetful = orders_store._CONFIRM.replace("changes || $2", "substr(changes || $2, 1, 21)")
    monkeypatch.setattr(orders_store, "_CONFIRM", forgetful)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()

    assert {7} == await shop.broken()


# 8 nothing pending


async def test_8_an_order_that_stays_pending_is_found(shop: SmallShop) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    await shop.clock.advance(31)

    assert {8} == await shop.broken(system_runs=True)


async def test_8_an_order_that_nobody_told_of_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    monkeypatch.setattr(shop.outbox_of_orders, "add", nothing)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()
    await shop.clock.advance(31)

    assert {8} == await shop.broken(system_runs=True)


# 9 answered means durable


async def test_9_an_answer_before_the_commit_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    async def answer_first(_self: PlaceOrder, order: Order, *_: object) -> bytes:
        return wire.encode(order_answer(order))  # and then the process died

    monkeypatch.setattr(PlaceOrder, "_commit", answer_first)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})

    assert {9, 11} == await shop.broken()


async def test_9_an_order_that_is_another_than_was_answered_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    add = orders_store.add

    async def in_dollars(tx: Transaction, row: NewRow) -> bool:
        return await add(tx, row._replace(currency="USD"))

    monkeypatch.setattr(orders_store, "add", in_dollars)

    assert {9, 10} == await sell_and_cancel(shop)


async def test_9_a_cancellation_that_was_only_answered_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    move = orders_store.move

    async def says_so(tx: Transaction, order_id: str, status: Status, now: int) -> Moved | None:
        return Moved("ann", 3) if status is Status.CANCELLED else await move(tx, order_id, status, now)

    monkeypatch.setattr(orders_store, "move", says_so)

    assert {1, 4, 7, 9} == await sell_and_cancel(shop)


async def test_9_units_that_were_only_said_to_be_added_are_found(shop: SmallShop, monkeypatch: Bug) -> None:
    async def says_so(*_: object) -> bool:
        return True

    monkeypatch.setattr(stock, "adjust", says_so)
    (lamp,) = await shop.stock_up(10)
    await shop.restock(lamp, 5)

    assert {9} == await shop.broken()


async def test_9_an_account_that_is_gone_is_found(shop: SmallShop) -> None:
    ann = await shop.sign_up()
    await shop.users.transaction(lambda tx: tx.execute("DELETE FROM users WHERE id = $1", ann.subject))

    assert {9} == await shop.broken()


async def test_9_an_order_that_is_not_found_any_more_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    order_id = await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()
    with monkeypatch.context() as bug:
        bug.setattr(orders_store, "find", nowhere)
        await shop.look(ann, order_id)

    assert {9} == await shop.broken()


# 10 whole or not at all


async def test_10_half_of_a_call_that_crashed_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    async def in_two_transactions(self: PlaceOrder, order: Order, _hold: Reservation, request: KeyedRequest) -> bytes:
        answer = KeptAnswer(wire.encode(order_answer(order)))
        await self.database.transaction(lambda tx: kept_answers.keep(tx, request, answer))
        raise Crash("connection lost")

    monkeypatch.setattr(PlaceOrder, "_commit", in_two_transactions)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})

    assert {10} == await shop.broken()


async def test_10_the_other_half_is_found_as_well(shop: SmallShop, monkeypatch: Bug) -> None:
    async def in_two_transactions(self: PlaceOrder, order: Order, *_: object) -> bytes:
        row = orders_store.new_row(order, wire.encode(order.lines).decode(), ask_at=0)
        await self.database.transaction(lambda tx: orders_store.add(tx, row))
        raise Crash("connection lost")

    monkeypatch.setattr(PlaceOrder, "_commit", in_two_transactions)
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()

    assert {10} == await shop.broken()


# 11 one key, one effect


async def test_11_a_key_that_is_not_remembered_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    async def forgets(*_: object) -> bool:
        return True

    monkeypatch.setattr(kept_answers, "keep", forgets)

    assert {10, 11} == await sell_and_cancel(shop)


async def test_11_an_answer_that_is_written_anew_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    find = kept_answers.find

    async def with_spaces(reading: Reading, request: KeyedRequest) -> KeptAnswer | None:
        kept = await find(reading, request)
        return kept and KeptAnswer(msgspec.json.format(kept.body, indent=1))

    monkeypatch.setattr(kept_answers, "find", with_spaces)

    assert {11} == await sell_and_cancel(shop)


async def test_11_an_order_for_two_keys_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    await shop.buy(ann, {lamp: 1}, key="one")
    await shop.come_to_rest()
    monkeypatch.setattr(KeyedRequest, "name", ("POST /orders", ann.subject, "one"))
    await shop.buy(ann, {lamp: 1}, key="two")

    assert {11} == await shop.broken()


async def test_11_units_added_twice_with_one_key_are_found(shop: SmallShop, monkeypatch: Bug) -> None:
    numbers = itertools.count()
    monkeypatch.setattr(Asked, "key", property(lambda _: f"another-{next(numbers)}"))
    (lamp,) = await shop.stock_up(10)
    await shop.restock(lamp, 5, key="one")
    await shop.restock(lamp, 5, key="one")

    assert {11} == await shop.broken()


async def dies(*_: object) -> bytes:
    raise Crash("connection lost")


async def nowhere(*_: object) -> None:
    return None


async def without_checks(shop: SmallShop) -> None:
    """The table of stock as somebody may have made it who did not think of CHECK."""

    async def make_anew(tx: Transaction) -> None:
        await tx.execute("CREATE TABLE unchecked AS SELECT * FROM stock")
        await tx.execute("DROP TABLE stock")
        await tx.execute("ALTER TABLE unchecked RENAME TO stock")

    await shop.products.transaction(make_anew)


# 16 no event lost


async def test_16_an_event_that_the_broker_lost_is_found(shop: SmallShop, monkeypatch: Bug) -> None:
    async def loses(self: Post, _messages: object) -> Mark:
        return await self.mark()

    ann = await shop.sign_up()
    (lamp,) = await shop.stock_up(10)
    order_id = await shop.buy(ann, {lamp: 1})
    await shop.come_to_rest()
    await shop.cancel(ann, order_id)
    monkeypatch.setattr(Post, "publish", loses)
    await shop.come_to_rest()
    await shop.clock.advance(31)

    assert {16} == await shop.broken(system_runs=True)


async def test_16_an_effect_without_its_note_is_found(shop: SmallShop) -> None:
    broken = await sell_and_cancel(shop)
    await shop.orders.transaction(lambda tx: tx.execute("DELETE FROM inbox"))
    await shop.clock.advance(31)

    assert set() == broken
    assert {16} == await shop.broken(system_runs=True)


async def test_16_what_was_given_up_leaves_it_open(shop: SmallShop) -> None:
    letter = """
        INSERT INTO inbox_failures
            (event_id, type, body, deliveries, reason, stack, trace_id, first_failed_at, last_failed_at)
        VALUES ('e', 'order.created', '', 5, 'KeyError: no', '', '', 1, 2)
    """
    await sell_and_cancel(shop)
    await shop.products.transaction(lambda tx: tx.execute(letter))
    verdict = (await shop.verdicts())[16]

    assert (Outcome.OPEN, 1) == (verdict.outcome, verdict.count)
    assert "products has given up on order.created e: KeyError: no" in verdict.findings
