"""Who takes part: buyers made for this load, and the development administrator."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from atoll import wire
from atoll.problems import Problem, ProblemDetails
from shop_contracts.users import SignedIn, User
from shop_proof.load.door import Ask
from shop_proof.load.hands import all_at_once
from shop_proof.load.insisting import Insisted, Insisting

T = TypeVar("T")

ADMINISTRATOR = "administrator"
"""Who the history says has sent what the administrator sends."""

AT_ONCE = 4
"""Sign-ups at a time: each costs the users service two password hashes."""

REMEMBERED = 200
"""Orders that a buyer may still come back to."""


class NotReady(Exception):
    """The load cannot begin; the message says why."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that a buyer has placed: how, and what was answered."""

    ask: Ask
    order_id: str
    answer: bytes


@dataclass(slots=True)
class Buyer:
    """A user with a token, and the latest orders that they have placed."""

    id: str
    token: str
    placed: deque[Placed] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who may fill the shelves."""

    email: str
    password: str


async def sign_up_all(insisting: Insisting, count: int, told: Callable[[int], None]) -> list[Buyer]:
    """So many new buyers; `told` hears how many there are. Raises `NotReady`."""
    turns = asyncio.Semaphore(AT_ONCE)
    buyers: list[Buyer] = []

    async def sign_up_one() -> None:
        async with turns:
            buyers.append(await _sign_up(insisting))
            told(len(buyers))

    await all_at_once(sign_up_one() for _ in range(count))
    return buyers


async def sign_in(insisting: Insisting, email: str, password: str) -> str:
    """An access token; raises `NotReady`."""
    body = wire.encode({"email": email, "password": password})
    outcome = await insisting(Ask("POST", "/api/auth/login", body, private=True))
    return expect(outcome, 200, f"{email} cannot sign in", wire.decoder(SignedIn).decode).access_token


def expect(outcome: Insisted, status: int, trouble: str, read: Callable[[bytes], T]) -> T:
    """What a request that must succeed was answered; raises `NotReady` with the words of the problem."""
    if outcome.reply is None:
        raise NotReady(f"{trouble}: the gateway gives no answer.")
    if outcome.status != status:
        raise NotReady(f"{trouble}: {said_by(outcome.reply.body) or f'it was answered {outcome.status}'}.")
    try:
        return read(outcome.reply.body)
    except Problem as problem:
        raise NotReady(f"{trouble}: {problem.detail}") from problem


def said_by(body: bytes) -> str:
    """The sentence of a problem; empty when there is none."""
    try:
        return _problem.decode(body).detail.rstrip(".")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


async def _sign_up(insisting: Insisting) -> Buyer:
    name = f"load-{secrets.token_hex(6)}"
    new = {"name": name, "email": f"{name}@example.com"}
    password = secrets.token_urlsafe(16)
    ask = Ask(
        "POST",
        "/api/users",
        wire.encode({**new, "password": password}),
        key=secrets.token_hex(16),
        told=wire.encode(new),
    )
    user = expect(await insisting(ask), 201, "A buyer cannot register", wire.decoder(User).decode)
    return Buyer(user.id, await sign_in(insisting, new["email"], password))


_problem = msgspec.json.Decoder(ProblemDetails)
