"""Keys that sign access tokens: each is known before it signs, outlives its tokens, and can be taken away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest

from atoll.clock import to_millis
from atoll.identity.jwks import REFRESH_INTERVAL
from atoll.identity.keys import SigningKey
from atoll.identity.signatures import read_head
from atoll.storage import Database, open_database
from atoll.testing.clock import ManualClock
from atoll.testing.database_fixtures import ENGINES
from atoll.testing.eventually import eventually
from atoll.testing.full_database import FullDatabase
from shop_users.access_tokens import AccessTokens
from shop_users.app import migrated
from shop_users.settings import UsersSettings
from shop_users.store import signing_keys
from shop_users.tending import PAUSE, Tending
from shop_users.token_keys import LEAD, STAYS, KeyUnknown, TokenKey, named, outlived, signing, standing_ready
from shop_users.use_cases.rotate_keys import RotateKeys
from shop_users.use_cases.tend_keys import TendKeys
from shop_users.use_cases.withdraw_key import WithdrawKey

MAX_AGE = timedelta(days=30)
CREDENTIALS = {"email": "root@example.com", "password": "a password for administrators"}


@pytest.fixture(params=ENGINES)
def database_engine(request: pytest.FixtureRequest) -> str:
    """Replicas meet in the database, so both engines have to serve."""
    engine: str = request.param
    return engine


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Database]:
    async with migrated(database):
        yield database


@pytest.fixture
def tend(opened: Database, clock: ManualClock) -> TendKeys:
    return TendKeys(opened, clock, MAX_AGE)


@pytest.fixture
def rotate(opened: Database, clock: ManualClock) -> RotateKeys:
    return RotateKeys(opened, clock)


@pytest.fixture
def withdraw(opened: Database, clock: ManualClock) -> WithdrawKey:
    return WithdrawKey(opened, clock)


async def every(database: Database) -> list[TokenKey]:
    return await database.read(signing_keys.every)


async def current(database: Database, clock: ManualClock) -> TokenKey:
    key = signing(await every(database), to_millis(clock.now()))
    assert key is not None
    return key


def key(number: int, published_at: int, signs_from: int | None) -> TokenKey:
    return TokenKey(number, SigningKey.generate().to_json(), published_at, signs_from)


def test_the_key_that_began_last_signs_and_the_one_before_it_stays_as_long_as_its_tokens() -> None:
    first, second, third = key(1, 0, 0), key(2, 0, 1000), key(3, 1000, None)
    keys = [third, first, second]

    assert [first, first, second] == [signing(keys, now) for now in (0, 999, 1000)]
    assert [second, third] == [standing_ready(keys, now) for now in (999, 1000)]
    assert [[], [first]] == [outlived(keys, now) for now in (999 + STAYS, 1000 + STAYS)]


async def test_at_first_one_key_signs_and_another_stands_ready(
    tend: TendKeys, opened: Database, clock: ManualClock
) -> None:
    await tend()
    now = to_millis(clock.now())

    assert [now, None] == [key.signs_from for key in await every(opened)]


async def test_of_many_who_tend_at_once_one_does_the_work(tend: TendKeys, opened: Database, clock: ManualClock) -> None:
    await asyncio.gather(*(tend() for _ in range(8)))
    await clock.advance(MAX_AGE.total_seconds())
    await asyncio.gather(*(tend() for _ in range(8)))

    assert len(await every(opened)) == 3


async def test_a_key_is_rotated_when_it_is_old(tend: TendKeys, opened: Database, clock: ManualClock) -> None:
    await tend()
    first, second = await every(opened)
    await clock.advance(MAX_AGE.total_seconds() - 0.001)
    await tend()
    before = await current(opened, clock)
    await clock.advance(0.001)
    await tend()

    assert [first.kid, second.kid] == [before.kid, (await current(opened, clock)).kid]
    assert len(await every(opened)) == 3


async def test_a_key_that_signs_no_more_is_published_until_its_last_token_has_expired(
    tend: TendKeys, opened: Database, clock: ManualClock
) -> None:
    await tend()
    first, *_ = await every(opened)
    await clock.advance(MAX_AGE.total_seconds())
    await tend()
    await clock.advance(STAYS / 1000 - 0.001)
    await tend()
    before = await every(opened)
    await clock.advance(0.001)
    await tend()

    assert first in before
    assert first not in await every(opened)


async def test_a_key_that_not_everyone_knows_waits_until_they_do(
    tend: TendKeys, rotate: RotateKeys, opened: Database, clock: ManualClock
) -> None:
    await tend()
    first = await current(opened, clock)
    taking_over = await rotate()
    again = await rotate()
    await clock.advance(LEAD / 1000 - 0.001)
    before = await current(opened, clock)
    await clock.advance(0.001)

    assert taking_over == again
    assert taking_over.signs_from == taking_over.published_at + LEAD
    assert [first, taking_over] == [before, await current(opened, clock)]


async def test_a_key_that_everyone_knows_signs_at_once(
    tend: TendKeys, rotate: RotateKeys, opened: Database, clock: ManualClock
) -> None:
    await tend()
    await clock.advance(LEAD / 1000)
    taking_over = await rotate()

    assert taking_over == await current(opened, clock)
    assert len(await every(opened)) == 3


async def test_when_the_signing_key_is_withdrawn_the_one_that_stood_ready_signs(
    tend: TendKeys, withdraw: WithdrawKey, opened: Database, clock: ManualClock
) -> None:
    await tend()
    first, second = await every(opened)
    withdrawn = await withdraw(first.kid)

    assert withdrawn == first
    assert second.kid == (await current(opened, clock)).kid
    assert [second.number, second.number + 1] == [key.number for key in await every(opened)]


async def test_a_withdrawn_key_is_not_followed_by_one_that_was_rotated_away(
    tend: TendKeys, rotate: RotateKeys, withdraw: WithdrawKey, opened: Database, clock: ManualClock
) -> None:
    await tend()
    await clock.advance(LEAD / 1000)
    second = await rotate()
    await withdraw(second.kid)

    assert (await current(opened, clock)).number == 3


async def test_whatever_is_withdrawn_one_key_signs_and_one_stands_ready(
    tend: TendKeys, rotate: RotateKeys, withdraw: WithdrawKey, opened: Database, clock: ManualClock
) -> None:
    await tend()
    await rotate()
    for _ in range(4):
        for each in await every(opened):
            await withdraw(each.kid)
            now, keys = to_millis(clock.now()), await every(opened)

            assert signing(keys, now) is not None
            assert standing_ready(keys, now) is not None


async def test_whoever_changes_keys_at_the_same_time_changes_them_one_after_the_other(
    opened: Database, settings: UsersSettings, clock: ManualClock
) -> None:
    async with open_database(settings.database_url, clock=clock) as elsewhere:
        for _ in range(4):
            kids = [each.kid for each in await every(opened)]
            changes = [
                *(change(database, clock)() for change in (RotateKeys, RotateKeys) for database in (opened, elsewhere)),
                *(TendKeys(database, clock, MAX_AGE)() for database in (opened, elsewhere)),
                *(WithdrawKey(database, clock)(kid) for kid in kids for database in (opened, elsewhere)),
            ]
            outcomes = await asyncio.gather(*changes, return_exceptions=True)
            keys, now = await every(opened), to_millis(clock.now())
            await clock.advance(LEAD / 1000)

            assert {KeyUnknown} >= {type(each) for each in outcomes if isinstance(each, BaseException)}
            assert len(kids) == sum(isinstance(each, KeyUnknown) for each in outcomes)
            assert len({each.number for each in keys}) == len(keys)
            assert [True, True] == [find(keys, now) is not None for find in (signing, standing_ready)]


async def test_the_beginning_of_an_id_is_enough_when_only_one_has_it() -> None:
    keys = [key(number, 0, 0) for number in range(80)]
    beginnings = {each.kid[0] for each in keys}
    shared = next(letter for letter in beginnings if sum(each.kid.startswith(letter) for each in keys) > 1)

    assert keys[3] == named(keys, keys[3].kid[:20])
    for text in (shared, "", "no such key"):
        with pytest.raises(KeyUnknown):
            named(keys, text)


async def test_tokens_go_on_while_the_database_is_away(database: Database, clock: ManualClock) -> None:
    tokens = AccessTokens(database, clock)
    async with migrated(database):
        await TendKeys(database, clock, MAX_AGE)()
        before = await tokens.issue("u1")
    after = await tokens.issue("u1")

    assert read_head(before).kid == read_head(after).kid


async def published(anyone: httpx2.AsyncClient) -> set[str]:
    return {key["kid"] for key in (await anyone.get("/.well-known/jwks.json")).json()["keys"]}


async def signs_with(anyone: httpx2.AsyncClient) -> tuple[str, dict[str, str]]:
    """The id of the key behind a new sign-in, and the headers of that sign-in."""
    token = (await anyone.post("/auth/login", json=CREDENTIALS)).json()["accessToken"]
    return read_head(token).kid, {"Authorization": f"Bearer {token}"}


async def test_the_running_service_neither_publishes_nor_uses_a_key_once_it_is_withdrawn(
    anyone: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    kid, _ = await signs_with(anyone)
    await WithdrawKey(database, clock)(kid)
    now_published, (other, _) = await published(anyone), await signs_with(anyone)

    assert kid not in now_published
    assert other in now_published


async def test_the_running_service_trusts_a_withdrawn_key_no_longer_than_everybody_else(
    anyone: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    kid, headers = await signs_with(anyone)

    async def is_refused() -> bool:
        return (await anyone.get("/users", headers=headers)).status_code == 401

    assert not await is_refused()

    await WithdrawKey(database, clock)(kid)
    await clock.advance(REFRESH_INTERVAL)

    await eventually(is_refused)  # as soon as the fetch that has begun is over


async def test_the_running_service_rotates_by_itself(anyone: httpx2.AsyncClient, clock: ManualClock) -> None:
    before = await published(anyone)
    first, _ = await signs_with(anyone)

    async def has_rotated() -> bool:
        return len(await published(anyone) - before) == 1

    clock.set_now(clock.now() + MAX_AGE)
    await clock.advance(PAUSE)
    await eventually(has_rotated)
    second, _ = await signs_with(anyone)

    assert {first, second} == before


async def test_a_full_disk_ends_no_service(opened: Database, clock: ManualClock) -> None:
    database = FullDatabase(opened)
    tending = asyncio.create_task(Tending(TendKeys(database, clock, MAX_AGE), clock).run())
    await clock.wait_for_sleepers()
    await clock.advance(PAUSE)
    await eventually(lambda: clock.sleepers or tending.done())
    database.is_full = False
    await clock.advance(PAUSE)
    await eventually(lambda: clock.sleepers or tending.done())

    assert tending.cancel()
    assert 2 == len(await every(opened))
