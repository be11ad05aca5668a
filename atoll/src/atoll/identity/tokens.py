"""Access tokens of users: one service issues them, every other one checks them by itself."""

from collections.abc import Iterable

import msgspec

from atoll.clock import Clock, SystemClock
from atoll.identity.keys import KEY_ALGORITHM, KeyRing, KeySource, VerifyingKey
from atoll.identity.principal import Principal
from atoll.identity.signatures import SignatureScheme, TokenRefused, read_head
from atoll.identity.verified_tokens import DEFAULT_CAPACITY, VerifiedToken, VerifiedTokens
from atoll.ids import NewId, uuid7
from atoll.observability.logging import get_logger
from atoll.problems import Unauthenticated

DEFAULT_ISSUER = "users"
DEFAULT_AUDIENCE = "atoll"
TOKEN_LIFETIME = 15 * 60
"""Seconds that an access token lives."""

CLOCK_SKEW = 30
"""Seconds that the clocks of two machines may differ."""

ACCESS_TOKEN = SignatureScheme(KEY_ALGORITHM, "at+jwt")
"""The type is that of RFC 9068."""

log = get_logger()


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says; every field is required. Times are whole Unix seconds."""

    iss: str
    aud: str
    sub: str
    exp: int
    iat: int
    jti: str
    roles: tuple[str, ...]


class TokenIssuer:
    """Makes access tokens, signed with the ring's current key."""

    def __init__(
        self,
        keys: KeyRing,
        *,
        issuer: str = DEFAULT_ISSUER,
        audience: str = DEFAULT_AUDIENCE,
        lifetime: int = TOKEN_LIFETIME,
        clock: Clock | None = None,
        new_id: NewId | None = None,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock or SystemClock()
        self._new_id = new_id or uuid7(self._clock)
        self.lifetime = lifetime

    def issue(self, subject: str, roles: Iterable[str] = ()) -> str:
        """A token for `subject` that lives `lifetime` seconds; costs a signature (some 100 µs)."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "exp": now + self.lifetime,
            "iat": now,
            "jti": self._new_id(),
            "roles": sorted(roles),
        }
        key = self._keys.current
        return ACCESS_TOKEN.sign(claims, key.jose, key.kid)


class TokenVerifier:
    """Says who a user's token speaks for, or refuses it. The reason of a refusal is for the log alone.

    A verified token is remembered until it expires, or until its key is no longer trusted.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str = DEFAULT_ISSUER,
        audience: str = DEFAULT_AUDIENCE,
        skew: int = CLOCK_SKEW,
        capacity: int = DEFAULT_CAPACITY,
        clock: Clock | None = None,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._skew = skew
        self._clock = clock or SystemClock()
        self._verified = VerifiedTokens(capacity)

    def verify_cached(self, token: str) -> Principal | None:
        """Who the token speaks for if it was verified before and is still good; None says nothing."""
        known = self.find(token)
        return None if known is None else known.principal

    def find(self, token: str) -> VerifiedToken | None:
        """The same with what it rests on: for whoever remembers it, and asks `is_good` each time."""
        known = self._verified.find(token, self._now())
        if known is not None and not self.is_good(known):
            self._verified.discard(token)
            return None
        return known

    def is_good(self, verified: VerifiedToken) -> bool:
        """Whether a token that was verified once is still good: it has not expired, and its key is still trusted."""
        key = verified.key
        if key is None or self._now() >= verified.usable_until:
            return False
        trusted = self._keys.find(key.kid)
        return trusted is key or trusted == key

    async def verify(self, token: str) -> Principal:
        """Who the token speaks for; waits only when the token's key is not known yet.

        Raises `Unauthenticated` for a bad token, and `Unavailable` while no key is known to check it with.
        """
        known = self.verify_cached(token)
        if known is not None:
            return known
        try:
            verified = await self._check(token)
        except TokenRefused as refused:
            log.info("access token refused", reason=str(refused))
            raise Unauthenticated from refused
        self._verified.add(token, verified)
        return verified.principal

    def verify_now(self, token: str) -> Principal | None:
        """Who the token speaks for, as far as can be told without waiting; None when that is nobody, or unknown."""
        known = self.verify_cached(token)
        if known is not None:
            return known
        try:
            key = self._keys.find(read_head(token).kid)
            verified = self._open(token, key) if key else None
        except TokenRefused:
            return None
        if verified is None:
            return None
        self._verified.add(token, verified)
        return verified.principal

    async def _check(self, token: str) -> VerifiedToken:
        kid = read_head(token).kid
        key = self._keys.find(kid) or await self._keys.obtain(kid)
        if key is None:
            raise TokenRefused(f"its key {kid!r} is not trusted")
        return self._open(token, key)

    def _open(self, token: str, key: VerifyingKey) -> VerifiedToken:
        claims = ACCESS_TOKEN.open(token, key.jose, _claims_decoder)
        self._check_claims(claims)
        principal = Principal(subject=claims.sub, roles=frozenset(claims.roles))
        return VerifiedToken(principal, claims.exp + self._skew, key)

    def _check_claims(self, claims: AccessClaims) -> None:
        if claims.iss != self._issuer:
            raise TokenRefused(f"it was issued by {claims.iss!r}")
        if claims.aud != self._audience:
            raise TokenRefused(f"it is meant for {claims.aud!r}")
        if not claims.sub:
            raise TokenRefused("it names no subject")
        check_times(claims.iat, claims.exp, self._now(), self._skew)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def check_times(issued_at: int, expires_at: int, now: float, skew: float) -> None:
    """`TokenRefused` unless `now` lies between the two, give or take `skew` seconds."""
    if now >= expires_at + skew:
        raise TokenRefused("it has expired")
    if now < issued_at - skew:
        raise TokenRefused("it was issued in the future")


_claims_decoder = msgspec.json.Decoder(AccessClaims)
