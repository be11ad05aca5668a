"""Signed tokens at the level of bytes: compact JWS (RFC 7515), one algorithm for each use, nothing guessed.

The algorithm and the type of a token are chosen by whoever checks it, never by the token (RFC 8725, sections
3.1 and 3.11). A head says `alg`, `typ` and perhaps `kid`, and nothing else: a token that brings its own key,
or asks for extensions, is refused before any cryptography.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

MAX_TOKEN_LENGTH = 4096
"""Characters; a token of ours has some 500, and a whole request head may have 16 KiB."""

_MAX_HEAD_LENGTH = 512

T = TypeVar("T")
SignatureKey = OKPKey | OctKey


class TokenRefused(Exception):
    """A token that is not to be believed. The message says why, for our own log only."""


class TokenHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The protected header of a token; what it says is a claim until the signature is checked."""

    alg: str
    typ: str
    kid: str = ""


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """How one kind of token is signed: its algorithm, and the type that keeps it apart from other kinds."""

    algorithm: str
    token_type: str

    def sign(self, claims: Mapping[str, object], key: SignatureKey, kid: str = "") -> str:
        """The token that says `claims`."""
        head = {"alg": self.algorithm, "typ": self.token_type} | ({"kid": kid} if kid else {})
        return jws.serialize_compact(head, msgspec.json.encode(claims), key, registry=self._registry())

    def open(self, token: str, key: SignatureKey, claims: "msgspec.json.Decoder[T]") -> T:
        """What the token says, once its signature is checked; `TokenRefused` when anything is wrong."""
        head = read_head(token)
        if (head.alg, head.typ) != (self.algorithm, self.token_type):
            raise TokenRefused(f"it is a {head.typ} signed with {head.alg}")
        try:
            payload = jws.deserialize_compact(token, key, registry=self._registry()).payload
            return claims.decode(payload or b"")
        except (JoseError, ValueError, TypeError) as error:
            raise TokenRefused(str(error)) from error

    def _registry(self) -> jws.JWSRegistry:
        return jws.JWSRegistry(algorithms=[self.algorithm])


def read_head(token: str) -> TokenHead:
    """The head of a token whose signature nobody has checked yet: good for finding the key, no more."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise TokenRefused(f"it has {len(token)} characters, and {MAX_TOKEN_LENGTH} is the most")
    encoded, _, _ = token.partition(".")
    if len(encoded) > _MAX_HEAD_LENGTH:
        raise TokenRefused("its head is too long")
    try:
        return _head_decoder.decode(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("its head cannot be read") from error


_head_decoder = msgspec.json.Decoder(TokenHead)
