"""How services of one system prove to each other who they are: short tokens over the system's shared secret.

Whoever holds the secret can speak as any service of the system, and as no user.
"""

import msgspec
from joserfc.jwk import OctKey

from atoll.clock import Clock, SystemClock
from atoll.identity.principal import Principal
from atoll.identity.signatures import SignatureScheme, TokenRefused
from atoll.identity.tokens import CLOCK_SKEW, check_times
from atoll.identity.verified_tokens import VerifiedToken, VerifiedTokens
from atoll.observability.logging import get_logger
from atoll.problems import Unauthenticated

SERVICE_TOKEN = SignatureScheme("HS256", "service+jwt")
SERVICE_ISSUER = "atoll"
SERVICE_TOKEN_LIFETIME = 5 * 60
"""Seconds that a service's token lives."""

_RENEW_BEFORE = 60
"""Seconds before its end at which a token is made anew: a call and two skewed clocks fit in."""

MIN_SECRET_BYTES = 32
"""As long as the hash's output (RFC 7518, section 3.2)."""

log = get_logger()


class ServiceClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a service's token says; every field is required. Times are whole Unix seconds."""

    iss: str
    aud: str
    sub: str
    exp: int
    iat: int


class ServiceCredential:
    """What `service` shows when it calls another one. ValueError when the secret is shorter than 32 bytes."""

    def __init__(self, secret: str, service: str, *, clock: Clock | None = None) -> None:
        self._key = _secret_key(secret)
        self._service = service
        self._clock = clock or SystemClock()
        self._tokens: dict[str, tuple[int, str]] = {}

    def token_for(self, target: str) -> str:
        """A token that only `target` accepts; the same one until a minute before its end, or the clock is set back."""
        now = int(self._clock.now().timestamp())
        signed_at, token = self._tokens.get(target, (now, ""))
        if not token or not signed_at <= now < signed_at + SERVICE_TOKEN_LIFETIME - _RENEW_BEFORE:
            token = self._sign(target, now)
            self._tokens[target] = (now, token)
        return token

    def _sign(self, target: str, now: int) -> str:
        claims = ServiceClaims(
            iss=SERVICE_ISSUER, aud=target, sub=self._service, exp=now + SERVICE_TOKEN_LIFETIME, iat=now
        )
        return SERVICE_TOKEN.sign(msgspec.structs.asdict(claims), self._key)

    def __repr__(self) -> str:
        return f"ServiceCredential(service={self._service!r})"


class ServiceTokenVerifier:
    """Says which service a token speaks for, if it is meant for `audience`, the name of whoever checks."""

    def __init__(self, secret: str, audience: str, *, clock: Clock | None = None) -> None:
        self._key = _secret_key(secret)
        self._audience = audience
        self._clock = clock or SystemClock()
        self._verified = VerifiedTokens(capacity=1000)

    def verify(self, token: str) -> Principal:
        """The calling service; raises `Unauthenticated`. The reason of a refusal is for the log alone."""
        known = self._verified.find(token, self._now())
        if known is not None:
            return known.principal
        try:
            verified = self._check(token)
        except TokenRefused as refused:
            log.info("service token refused", reason=str(refused))
            raise Unauthenticated from refused
        self._verified.add(token, verified)
        return verified.principal

    def _check(self, token: str) -> VerifiedToken:
        claims = SERVICE_TOKEN.open(token, self._key, _claims_decoder)
        if claims.iss != SERVICE_ISSUER or not claims.sub:
            raise TokenRefused(f"it was issued by {claims.iss!r} for {claims.sub!r}")
        if claims.aud != self._audience:
            raise TokenRefused(f"it is meant for {claims.aud!r}")
        check_times(claims.iat, claims.exp, self._now(), CLOCK_SKEW)
        return VerifiedToken(Principal(subject=claims.sub, kind="service"), claims.exp + CLOCK_SKEW)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _secret_key(secret: str) -> OctKey:
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"the system's secret must have at least {MIN_SECRET_BYTES} bytes")
    return OctKey.import_key(secret.encode())


_claims_decoder = msgspec.json.Decoder(ServiceClaims)
