"""Keys that sign access tokens, the public halves that check them, and the document that publishes those."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

KEY_ALGORITHM: Final = "Ed25519"
"""RFC 9864, section 2.2: the signature algorithm EdDSA, on this one curve."""

JWKS_PATH = "/.well-known/jwks.json"


class Jwk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One public key as JSON (RFC 7517; `crv` and `x` of RFC 8037). Keys of other kinds are passed over."""

    kty: str
    kid: str = ""
    use: str = ""
    alg: str = ""
    crv: str = ""
    x: str = ""


class JwksDocument(msgspec.Struct, frozen=True):
    """The public keys that are trusted now (RFC 7517, section 5)."""

    keys: tuple[Jwk, ...]


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public half of a key: checks, and cannot sign. Two are equal when id and key are."""

    kid: str
    x: str
    jose: OKPKey = field(repr=False, compare=False)

    @classmethod
    def from_jwk(cls, jwk: Jwk) -> "VerifyingKey":
        """ValueError says why a key is of no use for access tokens."""
        if (jwk.kty, jwk.crv) != ("OKP", KEY_ALGORITHM) or not jwk.kid:
            raise ValueError(f"key {jwk.kid!r} is not an {KEY_ALGORITHM} key with an id")
        if jwk.alg not in {"", KEY_ALGORITHM} or jwk.use not in {"", "sig"}:
            raise ValueError(f"key {jwk.kid!r} is meant for something else")
        try:
            jose = OKPKey.import_key({"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x})
            jose.public_key  # noqa: B018 - reads the bytes of the key
        except (JoseError, ValueError) as error:
            raise ValueError(f"key {jwk.kid!r} cannot be read") from error
        return cls(jwk.kid, jwk.x, jose)

    def as_jwk(self) -> Jwk:
        """This key as the published document shows it."""
        return Jwk(kty="OKP", kid=self.kid, use="sig", alg=KEY_ALGORITHM, crv=KEY_ALGORITHM, x=self.x)


class SigningKey:
    """A private key. Its id is its thumbprint (RFC 7638), so that two keys never share one."""

    def __init__(self, jose: OKPKey) -> None:
        if not jose.is_private or jose.curve_name != KEY_ALGORITHM:
            raise ValueError(f"an access token is signed with a private {KEY_ALGORITHM} key")
        self.jose = jose
        self.kid = jose.thumbprint()
        self.public = _public_half(jose, self.kid)

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new key from the system's source of randomness."""
        return cls(OKPKey.generate_key(KEY_ALGORITHM))

    @classmethod
    def from_json(cls, text: str | bytes) -> "SigningKey":
        """The key that `to_json` wrote; ValueError when it is not one."""
        try:
            return cls(OKPKey.import_key(msgspec.json.decode(text, type=dict[str, str | list[str]])))
        except (JoseError, ValueError, KeyError) as error:
            raise ValueError("this is not a private Ed25519 key written as JSON (RFC 8037)") from error

    def to_json(self) -> str:
        """The private key as JSON, to be stored where only its owner can read it."""
        return msgspec.json.encode(self.jose.as_dict(private=True)).decode()

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"


class KeySource(Protocol):
    """Knows the keys that are trusted now."""

    def find(self, kid: str) -> VerifyingKey | None:
        """The trusted key of that id, if it is known here and now. Costs no I/O."""

    async def obtain(self, kid: str) -> VerifyingKey | None:
        """The trusted key of that id, asked for elsewhere if need be; None when there is none.

        Raises `problems.Unavailable` while not one key is known, so that nobody can tell true from false.
        """


class KeyRing:
    """Keys of the service that issues tokens: the first one signs, all are published and trusted.

    To rotate without refusing anybody, let each step last longer than the verifiers' period (5 minutes):
    add the new key behind the current one; bring it to the front; once the last token of the old key has
    expired (15 minutes), leave the old one out. Leaving a key out at once withdraws it.
    """

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self.replace(keys)

    def replace(self, keys: Sequence[SigningKey]) -> None:
        """Use these keys from now on; ValueError when there is none to sign with."""
        if not keys:
            raise ValueError("a key ring needs at least one key to sign with")
        self._keys = {key.kid: key for key in keys}
        self._current = keys[0]

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        return self._current

    def jwks(self) -> JwksDocument:
        """The public halves, for everyone."""
        return JwksDocument(tuple(key.public.as_jwk() for key in self._keys.values()))

    def find(self, kid: str) -> VerifyingKey | None:
        key = self._keys.get(kid)
        return key.public if key else None

    async def obtain(self, kid: str) -> VerifyingKey | None:
        return self.find(kid)

    def __repr__(self) -> str:
        return f"KeyRing(current={self._current.kid!r}, keys={len(self._keys)})"


def _public_half(jose: OKPKey, kid: str) -> VerifyingKey:
    public = OKPKey.import_key(jose.public_key)
    return VerifyingKey(kid, str(public.dict_value["x"]), public)
