"""Whatever happens to the token keys, in any order: good tokens are believed everywhere, withdrawn ones nowhere.

The verifiers here do no more than fetch every 5 minutes: real ones also ask when they meet an unknown key.
"""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from atoll.clock import Clock, to_millis
from atoll.identity.jwks import REFRESH_INTERVAL
from atoll.identity.keys import VerifyingKey
from atoll.identity.signatures import read_head
from atoll.identity.tokens import CLOCK_SKEW, TOKEN_LIFETIME, TokenVerifier
from atoll.problems import Unauthenticated
from atoll.storage import Database
from atoll.storage.sqlite import SqliteDatabase
from atoll.testing.clock import ManualClock
from shop_users.access_tokens import AccessTokens
from shop_users.app import migrated
from shop_users.store import signing_keys
from shop_users.token_keys import LEAD, TokenKey, outlived, signing, standing_ready
from shop_users.use_cases.publish_keys import PublishKeys
from shop_users.use_cases.rotate_keys import RotateKeys
from shop_users.use_cases.tend_keys import TendKeys
from shop_users.use_cases.withdraw_key import WithdrawKey

T = TypeVar("T")

MAX_AGE = timedelta(hours=2)
MOST_WITHDRAWN = 3
"""So that something is left to go wrong in other ways."""

PAUSES = (0.5, 10.0, 55.0, 110.0, 245.0, 295.0, 355.0, 890.0)
"""Just below an interval, the life of a token and so on: mistakes of a minute must show."""

PHASES = (0.0, 200.0)
"""When each verifier fetches first, in seconds."""


@dataclass
class SkewedClock:
    """The clock of another machine."""

    true: ManualClock
    ahead: float

    def now(self) -> datetime:
        return self.true.now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return self.true.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.true.sleep(seconds)


class Replica:
    """One copy of the users service."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.clock = clock
        self.tokens = AccessTokens(database, clock)
        self.tend = TendKeys(database, clock, MAX_AGE)
        self.rotate = RotateKeys(database, clock)
        self.withdraw = WithdrawKey(database, clock)


class Verifier:
    """Knows the keys of its last fetch and asks for no others."""

    def __init__(self, publish: PublishKeys, clock: Clock, phase: float) -> None:
        self._publish = publish
        self._keys: dict[str, VerifyingKey] = {}
        self._verifier = TokenVerifier(self, clock=clock)
        self.clock = clock
        self.fetched_at = 0.0
        self.fetches_at = phase

    def find(self, kid: str) -> VerifyingKey | None:
        return self._keys.get(kid)

    async def obtain(self, kid: str) -> VerifyingKey | None:
        return self.find(kid)

    async def fetch(self) -> None:
        document = await self._publish()
        self._keys = {jwk.kid: VerifyingKey.from_jwk(jwk) for jwk in document.keys}
        self.fetched_at = self.clock.monotonic()
        self.fetches_at = self.fetched_at + REFRESH_INTERVAL

    async def believes(self, token: str) -> bool:
        try:
            return (await self._verifier.verify(token)).subject == "u1"
        except Unauthenticated:
            return False


@dataclass
class Issued:
    """A token of the test, and the key behind it."""

    text: str
    kid: str
    expires_at: datetime
    known_from: float
    """The moment from which on a fetch brings the key; minus infinity for one that waited for everybody."""


@dataclass
class World:
    """Two replicas over one database, two verifiers, and what is true of them."""

    database: Database
    clock: ManualClock
    replicas: list[Replica] = field(default_factory=list)
    verifiers: list[Verifier] = field(default_factory=list)
    tokens: list[Issued] = field(default_factory=list)
    withdrawn: dict[str, float] = field(default_factory=dict)

    @property
    def now(self) -> int:
        return to_millis(self.clock.now())

    async def keys(self) -> list[TokenKey]:
        return await self.database.read(signing_keys.every)

    async def pass_time(self, seconds: float) -> None:
        """Verifiers fetch when it is time; there somebody tends, somebody signs in, and everything still holds."""
        end = self.clock.monotonic() + seconds
        while (verifier := min(self.verifiers, key=lambda each: each.fetches_at)).fetches_at <= end:
            await self.clock.advance(verifier.fetches_at - self.clock.monotonic())
            await self.check_tokens()
            await self.replicas[-1].tend()
            await verifier.fetch()
            await self.check_tokens()
            for replica in self.replicas:
                await self.issue(replica)
        await self.clock.advance(end - self.clock.monotonic())

    async def issue(self, replica: Replica) -> None:
        text = await replica.tokens.issue("u1")
        kid = read_head(text).kid
        (key,) = (key for key in await self.keys() if key.kid == kid)
        waited = key.begins >= key.published_at + LEAD
        expires_at = replica.clock.now() + timedelta(seconds=TOKEN_LIFETIME)
        self.tokens.append(Issued(text, kid, expires_at, float("-inf") if waited else self._since(key)))

    async def check_tokens(self) -> None:
        self.tokens = [
            token for token in self.tokens if token.expires_at + timedelta(seconds=2 * CLOCK_SKEW) > self.clock.now()
        ]
        for verifier in self.verifiers:
            for token in self.tokens:
                await self._check(token, verifier)

    async def _check(self, token: Issued, verifier: Verifier) -> None:
        if verifier.clock.now() >= token.expires_at:
            return
        if token.kid in self.withdrawn:
            if verifier.fetched_at > self.withdrawn[token.kid]:
                assert not await verifier.believes(token.text)
        elif verifier.fetched_at > token.known_from:
            assert await verifier.believes(token.text)

    def _since(self, key: TokenKey) -> float:
        """The moment of the steady clock at which the key was published, however its replica's clock goes."""
        return self.clock.monotonic() - (self.now - key.published_at) / 1000 + CLOCK_SKEW


class LifeOfTokenKeys(RuleBasedStateMachine):
    """Runs its own event loop, because hypothesis does not know of any."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.opened = migrated(SqliteDatabase(str(Path(self.folder.name) / "users.db")))
        self.world = self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _begin(self) -> World:
        world = World(await self.opened.__aenter__(), ManualClock())
        for ahead in (-CLOCK_SKEW / 2, CLOCK_SKEW / 2):
            clock = SkewedClock(world.clock, ahead)
            world.replicas.append(Replica(world.database, clock))
        for ahead, phase in zip((CLOCK_SKEW / 2, -CLOCK_SKEW / 2), PHASES, strict=True):
            clock = SkewedClock(world.clock, ahead)
            world.verifiers.append(Verifier(PublishKeys(world.database), clock, phase))
        await world.replicas[0].tend()
        await world.pass_time(REFRESH_INTERVAL)
        return world

    @rule(seconds=st.sampled_from(PAUSES))
    def time_passes(self, seconds: float) -> None:
        self.run(self.world.pass_time(seconds))

    @rule(replica=st.integers(0, 1))
    def somebody_signs_in(self, replica: int) -> None:
        self.run(self.world.issue(self.world.replicas[replica]))

    @rule(replica=st.integers(0, 1))
    def a_replica_tends_the_keys(self, replica: int) -> None:
        self.run(self._tend(self.world.replicas[replica]))

    @rule(replica=st.integers(0, 1))
    def somebody_rotates(self, replica: int) -> None:
        self.run(self.world.replicas[replica].rotate())

    @precondition(lambda self: len(self.world.withdrawn) < MOST_WITHDRAWN)
    @rule(replica=st.integers(0, 1), which=st.integers(0, 5))
    def somebody_withdraws(self, replica: int, which: int) -> None:
        self.run(self._withdraw(self.world.replicas[replica], which))

    @invariant()
    def good_tokens_are_believed_and_withdrawn_ones_are_not(self) -> None:
        self.run(self.world.check_tokens())

    @invariant()
    def one_key_signs_wherever_the_clocks_are(self) -> None:
        keys = self.run(self.world.keys())

        for replica in self.world.replicas:
            assert signing(keys, to_millis(replica.clock.now())) is not None

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    async def _tend(self, replica: Replica) -> None:
        await replica.tend()
        now, keys = to_millis(replica.clock.now()), await self.world.keys()

        assert standing_ready(keys, now) is not None
        assert [] == outlived(keys, now)

    async def _withdraw(self, replica: Replica, which: int) -> None:
        keys = await self.world.keys()
        kid = keys[which % len(keys)].kid
        await replica.withdraw(kid)
        self.world.withdrawn[kid] = self.world.clock.monotonic()


TestLifeOfTokenKeys = LifeOfTokenKeys.TestCase
TestLifeOfTokenKeys.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
