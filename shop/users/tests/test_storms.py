"""Many who sign in at once wait for each other; nobody else waits for them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import httpx2
import pytest

from atoll.testing.eventually import eventually
from shop_users.app import create_app
from shop_users.passwords import Passwords
from shop_users.settings import UsersSettings

ADMIN = {"email": "root@example.com", "password": "a password for administrators"}
STORM = 50


class Running(NamedTuple):
    """The service, a client that says nothing of itself, and where the passwords are hashed."""

    client: httpx2.AsyncClient
    passwords: Passwords

    def sign_in(self, number: int) -> Awaitable[httpx2.Response]:
        """Somebody whom nobody knows signs in; it costs as much as for anybody else."""
        return self.client.post("/auth/login", json={"email": f"{number}@example.com", "password": "correct horse"})


@pytest.fixture
async def running_with(settings: UsersSettings) -> AsyncIterator[Callable[[Passwords], Awaitable[Running]]]:
    async def start(passwords: Passwords) -> Running:
        service = create_app(settings, passwords=passwords)
        await stack.enter_async_context(service.running())
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users")
        return Running(await stack.enter_async_context(client), passwords)

    async with AsyncExitStack() as stack:
        yield start


async def test_a_storm_of_sign_ins_slows_nothing_else(running_with: Any) -> None:
    running: Running = await running_with(Passwords())
    signed_in = (await running.client.post("/auth/login", json=ADMIN)).json()
    headers = {"Authorization": f"Bearer {signed_in['accessToken']}"}

    storm = [asyncio.ensure_future(running.sign_in(number)) for number in range(STORM)]
    await eventually(lambda: running.passwords.waiting >= STORM // 2)
    meanwhile = [
        (await running.client.get(path, headers=headers)).status_code
        for _ in range(20)
        for path in ("/health", "/users")
    ]
    still_waiting = running.passwords.waiting
    answers = [answer.status_code for answer in await asyncio.gather(*storm)]

    assert [200] * 40 == meanwhile
    assert still_waiting > 0
    assert [401] * STORM == answers


async def test_when_too_many_wait_the_next_are_told_at_once_to_come_back(running_with: Any) -> None:
    running: Running = await running_with(Passwords(threads=1, most_waiting=5))
    release = threading.Event()
    hashing = asyncio.ensure_future(running.passwords._in_thread(release.wait))
    await eventually(lambda: running.passwords.waiting == 1)

    storm = [asyncio.ensure_future(running.sign_in(number)) for number in range(20)]
    answered = asyncio.as_completed(storm)
    refused = [await next(answered) for _ in range(16)]
    release.set()
    answers = [answer.status_code for answer in await asyncio.gather(*storm)]
    afterwards = await running.client.post("/auth/login", json=ADMIN)
    await hashing

    assert {503} == {answer.status_code for answer in refused}
    assert {"2"} == {answer.headers["retry-after"] for answer in refused}
    assert [401] * 4 + [503] * 16 == sorted(answers)
    assert afterwards.status_code == 200
