"""Two services and a broker: whatever happens, each event has its effect, once."""

import asyncio
import json
from contextlib import suppress

import pytest

from atoll.events import Broker, MemoryBroker, RedeliveryPolicy
from atoll.events.valkey import ValkeyBroker
from atoll.storage import Database
from atoll.testing.event_faults import POINTS, Crashed, Crashes, CrashingBroker, CrashingDatabase
from atoll.testing.event_services import Orders, Stock, working
from atoll.testing.eventually import eventually
from atoll.testing.valkey_server import ValkeyToBreak

CONFIRMED = ("confirmed", 1)


@pytest.fixture(params=["memory", "valkey"])
def broker(request: pytest.FixtureRequest) -> Broker:
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def orders(orders_database: Database, broker: Broker) -> Orders:
    return Orders(orders_database, broker)


@pytest.fixture
def stock(stock_database: Database, broker: Broker) -> Stock:
    return Stock(stock_database, broker)


async def all_confirmed(orders: Orders, count: int, within: float = 20.0) -> None:
    async def enough() -> bool:
        return await orders.confirmed() == count

    await eventually(enough, within=within)


async def each_once(orders: Orders, stock: Stock, count: int) -> None:
    assert [CONFIRMED] * count == await orders.state()
    assert [1] * count == await stock.times()


async def test_an_event_has_its_effect_and_so_has_its_answer(orders: Orders, stock: Stock) -> None:
    async with working(orders, stock):
        await asyncio.gather(*(orders.place() for _ in range(250)))
        await all_confirmed(orders, 250)

    await each_once(orders, stock, 250)


async def test_what_was_added_before_anybody_worked_is_sent(orders: Orders, stock: Stock) -> None:
    order_id = await orders.place()
    async with working(orders, stock):
        await all_confirmed(orders, 1)

    assert [order_id] == stock.handled


async def test_an_event_of_a_process_that_is_gone_is_sent_by_another(
    orders: Orders, stock: Stock, orders_database: Database, broker: Broker
) -> None:
    await Orders(orders_database, broker).place()
    async with working(orders, stock):
        await all_confirmed(orders, 1)

    await each_once(orders, stock, 1)


async def test_replicas_share_the_work(
    orders_database: Database, stock_database: Database, broker: Broker, orders: Orders, stock: Stock
) -> None:
    other_orders = Orders(orders_database, broker, consumer="orders-2")
    other_stock = Stock(stock_database, broker, consumer="stock-2")
    async with working(orders, stock, other_orders, other_stock):
        await asyncio.gather(*((orders if n % 2 else other_orders).place() for n in range(300)))
        await all_confirmed(orders, 300)

    await each_once(orders, stock, 300)
    assert 300 == len(stock.handled) + len(other_stock.handled)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("at", [1, 3])
async def test_a_crash_at_any_point_loses_and_doubles_nothing(
    orders_database: Database, stock_database: Database, broker: Broker, point: str, at: int
) -> None:
    """First one service crashes there, then the other; then both are started again."""
    seen = 0
    for victim in ("orders", "stock"):
        crashes, never = Crashes(point, at), Crashes("after read", 10**9)
        of_orders, of_stock = (crashes, never) if victim == "orders" else (never, crashes)
        orders = Orders(CrashingDatabase(orders_database, of_orders), CrashingBroker(broker, of_orders))
        stock = Stock(CrashingDatabase(stock_database, of_stock), CrashingBroker(broker, of_stock))
        seen += await _crashed(orders, stock, crashes)
    assert seen

    orders, stock = Orders(orders_database, broker), Stock(stock_database, broker)
    placed = len(await orders.state())
    async with working(orders, stock):
        await all_confirmed(orders, placed)
    await each_once(orders, stock, placed)


async def _crashed(orders: Orders, stock: Stock, crashes: Crashes) -> bool:
    """Let them work until the crash; whether there was one."""
    with suppress(Crashed, BaseExceptionGroup):
        async with working(orders, stock):
            for _ in range(15):
                await asyncio.gather(*(orders.place() for _ in range(4)), return_exceptions=True)
                with suppress(TimeoutError):
                    await asyncio.wait_for(crashes.crashed.wait(), 0.02)
                    break
    return crashes.crashed.is_set()


async def test_poison_is_set_aside_and_holds_up_nobody(
    orders: Orders, stock_database: Database, broker: Broker
) -> None:
    stock = Stock(stock_database, broker, redelivery=RedeliveryPolicy(3, 0.05, 0.2))
    ids = [await orders.place() for _ in range(20)]
    stock.poison = {ids[3], ids[7]}
    async with working(orders, stock):
        await all_confirmed(orders, 18)
        await eventually(lambda: _count(stock, 2))

        one, other = await stock.events.dead_letters.list()
        assert sorted(stock.poison) == [_subject(one.body), _subject(other.body)]
        assert (3, f"ValueError: {_subject(one.body)} is poison") == (one.deliveries, one.reason)
        assert "in settle" in one.stack
        assert one == await stock.events.dead_letters.show(one.event_id)

        stock.poison.clear()
        assert await stock.events.dead_letters.drop(one.event_id)
        assert not await stock.events.dead_letters.redrive(one.event_id)
        assert 1 == await stock.events.dead_letters.redrive_all()
        await all_confirmed(orders, 19)

    assert [1] * 19 == await stock.times()
    assert 0 == await stock.events.dead_letters.count()


async def _count(stock: Stock, dead: int) -> bool:
    return await stock.events.dead_letters.count() == dead


def _subject(body: bytes) -> str:
    subject: str = json.loads(body)["subject"]
    return subject


# -- what may happen to a server ----------------------------------------------------------------------------------


@pytest.fixture
def pair(orders_database: Database, stock_database: Database, valkey: ValkeyBroker) -> tuple[Orders, Stock]:
    return Orders(orders_database, valkey), Stock(stock_database, valkey)


async def place_for(orders: Orders, count: int) -> None:
    for _ in range(count // 10):
        await asyncio.gather(*(orders.place() for _ in range(10)))
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("what", ["restart", "wipe"])
async def test_a_server_that_is_restarted_or_wiped_delays_and_loses_nothing(
    pair: tuple[Orders, Stock], server: ValkeyToBreak, what: str
) -> None:
    orders, stock = pair
    async with working(orders, stock):
        placing = asyncio.create_task(place_for(orders, 300))
        for _ in range(3):
            await asyncio.sleep(0.1)
            await getattr(server, what)()
        await placing
        await all_confirmed(orders, 300, within=30)

    await each_once(orders, stock, 300)


async def test_a_wiped_server_gets_what_a_service_had_not_read_yet(
    pair: tuple[Orders, Stock], server: ValkeyToBreak
) -> None:
    orders, stock = pair
    async with working(orders):
        await place_for(orders, 50)
        await eventually(lambda: _published(orders, 50))
    await server.wipe()
    async with working(orders, stock):
        await all_confirmed(orders, 50)

    await each_once(orders, stock, 50)


async def test_a_server_that_is_wiped_while_nobody_works_gets_all_again(
    pair: tuple[Orders, Stock], server: ValkeyToBreak, orders_database: Database, stock_database: Database
) -> None:
    orders, stock = pair
    async with working(orders, stock):
        await place_for(orders, 20)
        await all_confirmed(orders, 20)
    await server.wipe()
    async with ValkeyBroker(server.url) as broker:
        again = Orders(orders_database, broker), Stock(stock_database, broker)
        async with working(*again):
            await eventually(lambda: _repeated(again[1], 20))

    await each_once(orders, stock, 20)


async def test_a_service_that_comes_later_gets_what_others_have_long_done_with(
    pair: tuple[Orders, Stock], valkey: ValkeyBroker
) -> None:
    """Its group is new, and what it missed was trimmed: the outboxes send everything again."""
    orders, stock = pair
    async with working(orders, stock):
        await place_for(orders, 20)
        await all_confirmed(orders, 20)
        await valkey._trimming.trim(valkey._keys.stream("order.placed"))
        late = valkey.subscribe("late", ["order.placed"], consumer="late-1")
        found: set[bytes] = set()
        async with asyncio.timeout(20):
            while len(found) < 20:
                found |= {delivery.body for delivery in await late.read(100, wait=1)}

    await each_once(orders, stock, 20)


async def _published(orders: Orders, count: int) -> bool:
    rows = await orders.database.fetch_one("SELECT count(*) FROM outbox WHERE published_at IS NOT NULL")
    return rows == (count,)


async def _repeated(stock: Stock, count: int) -> bool:
    value = stock.metrics.get_sample_value("events_repeated_total", {"type": "order.placed"})
    return (value or 0) >= count


async def test_a_memory_broker_of_a_process_that_died_is_of_no_importance(
    orders_database: Database, stock_database: Database
) -> None:
    async with MemoryBroker() as broker:
        orders, stock = Orders(orders_database, broker), Stock(stock_database, broker)
        async with working(orders):
            await place_for(orders, 20)
    async with MemoryBroker() as broker:
        orders, stock = Orders(orders_database, broker), Stock(stock_database, broker)
        async with working(orders, stock):
            await all_confirmed(orders, 20)

    await each_once(orders, stock, 20)


async def test_stopping_gives_back_what_is_in_hand(
    pair: tuple[Orders, Stock], valkey: ValkeyBroker, stock_database: Database
) -> None:
    orders, stock = pair
    async with working(orders):
        await place_for(orders, 30)
        await eventually(lambda: _published(orders, 30))
    for _ in range(5):
        async with working(Stock(stock_database, valkey, consumer="short-lived")):
            await asyncio.sleep(0.002)
    async with working(orders, Stock(stock_database, valkey, consumer="heir")):
        await all_confirmed(orders, 30, within=5)

    await each_once(orders, stock, 30)
