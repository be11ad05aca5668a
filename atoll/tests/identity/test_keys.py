import msgspec
import pytest
from joserfc.jwk import ECKey, OKPKey

from atoll.identity.keys import Jwk, JwksDocument, KeyRing, SigningKey, VerifyingKey


def test_a_key_comes_back_from_what_was_stored() -> None:
    key = SigningKey.generate()

    assert SigningKey.from_json(key.to_json()).public == key.public


def test_the_id_of_a_key_is_its_rfc_7638_thumbprint() -> None:
    public = OKPKey.import_key(
        # the example of RFC 8037, appendix A.3
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    )
    private = SigningKey.from_json(
        msgspec.json.encode(
            {**public.as_dict(), "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}  # appendix A.1
        )
    )

    assert private.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def json_of(key: OKPKey | ECKey, *, private: bool) -> str:
    return msgspec.json.encode(key.as_dict(private=private)).decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("[]", id="a list"),
        pytest.param("{}", id="no key"),
        pytest.param('{"kty":"OKP"}', id="half a key"),
        pytest.param('{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}', id="a key too short"),
        pytest.param(json_of(OKPKey.generate_key("Ed25519"), private=False), id="a public key"),
        pytest.param(json_of(OKPKey.generate_key("Ed448"), private=True), id="another curve"),
        pytest.param(json_of(ECKey.generate_key("P-256"), private=True), id="another kind of curve"),
    ],
)
def test_what_is_no_private_ed25519_key_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="private Ed25519 key"):
        SigningKey.from_json(text)


def test_a_private_key_does_not_show_itself() -> None:
    key = SigningKey.generate()
    secret = msgspec.json.decode(key.to_json())["d"]

    assert secret not in repr(key) + repr(key.public) + repr(KeyRing([key]))


def test_the_published_document_has_every_key_and_nothing_private() -> None:
    current, previous = SigningKey.generate(), SigningKey.generate()
    document = KeyRing([current, previous]).jwks()
    text = msgspec.json.encode(document)

    assert [key.kid for key in document.keys] == [current.kid, previous.kid]
    assert b'"d"' not in text
    assert msgspec.json.decode(text, type=JwksDocument) == document


def test_a_ring_signs_with_its_first_key_and_trusts_all() -> None:
    current, previous = SigningKey.generate(), SigningKey.generate()
    ring = KeyRing([current, previous])

    assert ring.current is current
    assert ring.find(previous.kid) == previous.public


def test_a_ring_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        KeyRing([])


def good_jwk() -> Jwk:
    return SigningKey.generate().public.as_jwk()


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"crv": "X25519"},
        {"crv": "Ed448"},
        {"kid": ""},
        {"alg": "EdDSA"},
        {"use": "enc"},
        {"x": ""},
        {"x": "AAAA"},
        {"x": "not base64 url"},
    ],
)
def test_a_published_key_of_another_kind_is_of_no_use(change: dict[str, str]) -> None:
    jwk = msgspec.structs.replace(good_jwk(), **change)

    with pytest.raises(ValueError, match="key "):
        VerifyingKey.from_jwk(jwk)


def test_a_published_key_becomes_the_one_that_signed() -> None:
    key = SigningKey.generate()

    assert VerifyingKey.from_jwk(key.public.as_jwk()) == key.public
