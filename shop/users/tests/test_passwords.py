"""Hashes, and what they must not cost others."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from atoll.problems import Unavailable
from shop_users.domain import CommonPassword
from shop_users.passwords import Passwords, _hash_of_nothing, refuse_common


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    async with Passwords(threads=1, most_waiting=4) as passwords:
        yield passwords


async def test_only_the_same_password_matches(passwords: Passwords) -> None:
    kept = await passwords.hash("correct horse")

    assert await passwords.verify("correct horse", kept)
    assert not await passwords.verify("correct horsf", kept)
    assert kept != await passwords.hash("correct horse")


async def test_the_same_characters_match_however_they_are_typed(passwords: Passwords) -> None:
    kept = await passwords.hash("caf\u00e9 au lait")

    assert await passwords.verify("cafe\u0301 au lait", kept)


async def test_nobodys_password_never_matches_and_takes_as_long(passwords: Passwords) -> None:
    kept = await passwords.hash("correct horse")

    def seconds(password_hash: str) -> float:
        """CPU time of this thread, whatever else the machine does."""
        began = time.thread_time()
        passwords._matches("wrong", password_hash)
        return time.thread_time() - began

    known = min(seconds(kept) for _ in range(5))
    unknown = min(seconds(_hash_of_nothing()) for _ in range(5))

    assert not await passwords.verify("", None)
    assert known / 2 < unknown < known * 2


async def test_the_loop_goes_on_while_a_password_is_hashed(passwords: Passwords) -> None:
    hashing = asyncio.ensure_future(passwords.hash("correct horse"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 10


async def test_too_many_at_once_are_told_to_come_back(passwords: Passwords) -> None:
    outcomes = await asyncio.gather(*(passwords.hash("correct horse") for _ in range(6)), return_exceptions=True)

    assert 2 == sum(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert await passwords.hash("correct horse")


async def test_what_is_no_hash_matches_nothing(passwords: Passwords) -> None:
    assert not await passwords.verify("correct horse", "not a hash")


@pytest.mark.parametrize("common", ["password", "PassWord123", "12345678", "qwertyuiop"])
def test_a_common_password_is_refused_whatever_its_case(common: str) -> None:
    with pytest.raises(CommonPassword):
        refuse_common(common)


@pytest.mark.parametrize("common", ["\uff50\uff41\uff53sword", "\uff30\uff41ssword123", "\u2460\u2461345678"])
def test_a_common_password_is_refused_however_its_characters_are_typed(common: str) -> None:
    with pytest.raises(CommonPassword):
        refuse_common(common)
