"""Whatever is done with refresh tokens, in any order: each is good once, and a second use ends its whole family."""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from atoll.clock import to_millis
from atoll.storage import Transaction, load_migrations
from atoll.storage.sqlite import SqliteDatabase
from atoll.testing.clock import ManualClock
from shop_users.access_tokens import AccessTokens
from shop_users.domain import RefreshRefused
from shop_users.refresh_tokens import LIFETIME, digest, new_refresh_token
from shop_users.store import refresh_tokens
from shop_users.use_cases.refresh import Refresh
from shop_users.use_cases.sign_out import SignOut
from shop_users.use_cases.tend_keys import TendKeys

T = TypeVar("T")

USER = "INSERT INTO users (id, name, email, email_key, password_hash, is_admin, created_at, updated_at) \
VALUES ('u', 'Ann', 'ann@example.com', 'ann@example.com', 'hash', 0, 0, 0)"


@dataclass
class Known:
    """The model of one token."""

    family: int
    ends: datetime
    is_used: bool = False
    is_forgotten: bool = False


class LifeOfRefreshTokens(RuleBasedStateMachine):
    """Sign in, refresh with any token there ever was, sign out, and let time pass."""

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.runner = self.stack.enter_context(asyncio.Runner())
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.clock = ManualClock()
        self.database = SqliteDatabase(f"{folder}/users.db")
        self.run(self.database.__aenter__())
        self.run(self.database.migrate(load_migrations("shop_users")))
        self.run(self.database.transaction(lambda tx: tx.execute(USER)))
        self.run(TendKeys(self.database, self.clock, timedelta(days=3650))())
        self.refresh_now = Refresh(self.database, AccessTokens(self.database, self.clock), self.clock)
        self.sign_out_now = SignOut(self.database)
        self.known: dict[str, Known] = {}
        self.ended: set[int] = set()
        self.families = 0

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        self.run(self.database.__aexit__(None, None, None))
        self.stack.close()

    def is_good(self, token: str) -> bool:
        known = self.known[token]
        return not known.is_used and known.family not in self.ended and self.clock.now() < known.ends

    def note(self, token: str, family: int) -> str:
        self.known[token] = Known(family, self.clock.now() + timedelta(seconds=LIFETIME))
        return token

    def end_family_of(self, known: Known) -> None:
        if not known.is_forgotten:
            self.ended.add(known.family)

    def forget_expired(self) -> None:
        for known in self.known.values():
            known.is_forgotten = known.is_forgotten or known.ends <= self.clock.now()

    @rule(target=tokens)
    def sign_in(self) -> str:
        token, self.families = new_refresh_token(), self.families + 1
        ends = to_millis(self.clock.now()) + LIFETIME * 1000

        async def begin(tx: Transaction) -> bool:
            return await refresh_tokens.begin_family(
                tx, digest(token), str(self.families), "u", expires_at=ends, password_hash="hash"
            )

        assert self.run(self.database.transaction(begin))
        return self.note(token, self.families)

    @rule(target=tokens, token=tokens)
    def refresh(self, token: str) -> str:
        known = self.known[token]
        if not self.is_good(token):
            with pytest.raises(RefreshRefused):
                self.run(self.refresh_now(token))
            self.end_family_of(known)
            return token
        answer = self.run(self.refresh_now(token))
        known.is_used = True
        self.forget_expired()

        assert answer.refresh_token not in self.known
        return self.note(answer.refresh_token, known.family)

    @rule(token=tokens)
    def sign_out(self, token: str) -> None:
        self.run(self.sign_out_now(token))
        self.end_family_of(self.known[token])

    @rule(hours=st.sampled_from([1, 24, 24 * 6, 24 * 7]))
    def wait(self, hours: int) -> None:
        self.run(self.clock.advance(hours * 3600))

    @invariant()
    def no_family_has_two_good_tokens(self) -> None:
        good = [known.family for token, known in self.known.items() if self.is_good(token)]

        assert len(set(good)) == len(good)


TestLifeOfRefreshTokens = LifeOfRefreshTokens.TestCase
TestLifeOfRefreshTokens.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
