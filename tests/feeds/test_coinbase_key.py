"""Coinbase keys: every form they come in, the token they make, and what is refused."""

import base64
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.feeds.conftest import MINUTE, PRESENT
from tests.standins import coinbase_token
from tests.standins.coinbase import CoinbaseStandin
from trading.feeds.base import FeedRejected
from trading.feeds.coinbase import CoinbaseFeed
from trading.feeds.coinbase_key import CoinbaseKey

NAME = "organizations/1/apiKeys/2"
Make = Callable[..., CoinbaseFeed]
Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def pem(key: Private, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def public(key: Private) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def raw(key: ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def full(key: ed25519.Ed25519PrivateKey) -> bytes:
    return raw(key) + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

FORMS = [
    pytest.param(EC, pem(EC), "ES256", id="EC, PKCS 8"),
    pytest.param(EC, pem(EC, PrivateFormat.TraditionalOpenSSL), "ES256", id="EC, SEC 1 as Coinbase gives it"),
    pytest.param(EC, pem(EC).replace("\n", "\\n"), "ES256", id="EC, line ends written out"),
    pytest.param(ED, pem(ED), "EdDSA", id="Ed25519, PEM"),
    pytest.param(ED, base64.b64encode(raw(ED)).decode(), "EdDSA", id="Ed25519, 32 bytes"),
    pytest.param(ED, base64.b64encode(full(ED)).decode() + "\n", "EdDSA", id="Ed25519, 64 bytes"),
]


@pytest.mark.parametrize(("key", "secret", "algorithm"), FORMS)
def test_a_key_opens_the_private_endpoint(
    coinbase: CoinbaseStandin, make_coinbase: Make, key: Private, secret: str, algorithm: str
) -> None:
    coinbase.check = coinbase_token.check({NAME: public(key)})
    feed = make_coinbase(key_name=NAME, key_secret=secret)
    for _ in range(2):
        answer = feed.fetch_closed(symbol="BTC-USD", since=PRESENT - 10 * MINUTE, until=PRESENT, now=PRESENT)
        assert len(answer.candles) > 5
    private = [request for request in coinbase.requests if request.path.endswith("/candles")]
    assert {request.path for request in private} == {"/api/v3/brokerage/products/BTC-USD/candles"}
    tokens = [request.headers["authorization"].removeprefix("Bearer ") for request in private]
    assert {jwt.get_unverified_header(token)["alg"] for token in tokens} == {algorithm}
    assert len({jwt.get_unverified_header(token)["nonce"] for token in tokens}) == 2


def test_a_retried_request_has_a_token_of_its_own(
    coinbase: CoinbaseStandin, make_coinbase: Make, no_pauses: None
) -> None:
    coinbase.check = coinbase_token.check({NAME: public(ED)})
    coinbase.fail_next("503", path="candles")
    feed = make_coinbase(key_name=NAME, key_secret=pem(ED))
    feed.fetch_closed(symbol="BTC-USD", since=PRESENT - 10 * MINUTE, until=PRESENT, now=PRESENT)


@pytest.mark.parametrize(
    "known", [{}, {NAME: public(ed25519.Ed25519PrivateKey.generate())}, {NAME: public(EC)}]
)
def test_a_key_that_the_server_does_not_know_is_the_operators_matter(
    coinbase: CoinbaseStandin, make_coinbase: Make, known: dict[str, str]
) -> None:
    coinbase.check = coinbase_token.check(known)
    feed = make_coinbase(key_name=NAME, key_secret=pem(ED))
    with pytest.raises(FeedRejected, match="401"):
        feed.fetch_closed(symbol="BTC-USD", since=PRESENT - 10 * MINUTE, until=PRESENT, now=PRESENT)


def test_what_the_token_says() -> None:
    token = CoinbaseKey(NAME, pem(EC)).token(method="GET", host="api.coinbase.com", path="/api/v3/x")
    claims = jwt.decode(token, public(EC), algorithms=["ES256"], issuer="cdp")
    assert claims["sub"] == NAME
    assert claims["uri"] == "GET api.coinbase.com/api/v3/x"
    assert claims["exp"] - claims["nbf"] == 120
    assert jwt.get_unverified_header(token)["kid"] == NAME


def spoiled_tokens() -> dict[str, str]:
    """Tokens that are wrong in one thing each."""
    good = {"sub": NAME, "iss": "cdp", "nbf": 1, "exp": 4_000_000_000, "uri": "GET h/p"}
    head = {"kid": NAME, "nonce": "0123456789abcdef"}

    def made(claims: dict[str, object], headers: dict[str, object]) -> str:
        changed = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(changed, ED, algorithm="EdDSA", headers={**head, **headers})

    return {
        "longer than two minutes": made({}, {}),
        "not good": made({"iss": "other"}, {}),
        "expired": made({"nbf": 1, "exp": 100}, {}),
        "uri": made({"uri": None}, {}),
        "nonce": made({}, {"nonce": "short"}),
        "unknown": made({}, {"kid": "other"}),
        "subject": made({"sub": "other"}, {}),
    }


@pytest.mark.parametrize("words", sorted(spoiled_tokens()))
def test_the_stand_in_refuses_tokens_that_are_wrong(words: str) -> None:
    judge = coinbase_token.check({NAME: public(ED)})
    reason = judge("GET", "h", "/p", f"Bearer {spoiled_tokens()[words]}")
    assert reason is not None
    assert words in reason


def test_the_stand_in_refuses_another_path_and_a_nonce_used_twice() -> None:
    judge = coinbase_token.check({NAME: public(ED)})
    token = f"Bearer {CoinbaseKey(NAME, pem(ED)).token(method='GET', host='h', path='/p')}"
    assert judge("GET", "h", "/other", token) == "the token is for GET h/p, the request was GET h/other"
    assert judge("GET", "h", "/p", token) == "the nonce is missing or was used before"
    assert judge("GET", "h", "/p", "") == "there is no bearer token"
    fresh = f"Bearer {CoinbaseKey(NAME, pem(ED)).token(method='GET', host='h', path='/p')}"
    assert judge("GET", "h", "/p", fresh) is None


REFUSED = {
    "RSA": (pem(rsa.generate_private_key(65537, 2048)), "EC P-256 or an Ed25519"),
    "another curve": (pem(ec.generate_private_key(ec.SECP384R1())), "EC P-256 or an Ed25519"),
    "encrypted": (
        ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode(),
        "unencrypted PEM",
    ),
    "public": (public(ED), "PEM private key"),
    "torn PEM": (pem(EC)[:80], "PEM private key"),
    "text": ("this is my secret key", "neither PEM text nor base64"),
    "short": (base64.b64encode(b"too short").decode(), "32 or 64 bytes, held 9"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_secrets_are_refused_without_being_repeated(kind: str) -> None:
    secret, words = REFUSED[kind]
    with pytest.raises(FeedRejected, match=words) as caught:
        CoinbaseFeed(key_name=NAME, key_secret=secret)
    assert secret[:20] not in str(caught.value)


@pytest.mark.parametrize(
    "half", [{"key_name": NAME}, {"key_secret": "x"}, {"key_name": NAME, "key_secret": ""}]
)
def test_half_a_key_is_refused(half: dict[str, str]) -> None:
    with pytest.raises(FeedRejected, match="both its name and its secret"):
        CoinbaseFeed(**half)
