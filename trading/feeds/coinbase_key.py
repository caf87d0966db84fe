"""A Coinbase API key: from its text to the token that signs one request."""

from __future__ import annotations

import base64
import binascii
import secrets
import time

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from trading.feeds.base import FeedRejected

LIFETIME_SECONDS = 120


class CoinbaseKey:
    """Makes a token for each request: ES256 for an EC P-256 key, EdDSA for an Ed25519 key.

    name: as Coinbase shows it (``organizations/.../apiKeys/...``).  secret: PEM text, also with
    ``\\n`` written out, or base64 of 32 or 64 bytes.  Raises FeedRejected for any other secret;
    the message never holds the secret.
    """

    def __init__(self, name: str, secret: str) -> None:
        self.name = name
        self._key = _load(secret)
        self.algorithm = "EdDSA" if isinstance(self._key, Ed25519PrivateKey) else "ES256"

    def token(self, *, method: str, host: str, path: str) -> str:
        """A token for one request, good for two minutes; ``path`` is given without its query."""
        start = int(time.time())
        claims = {
            "sub": self.name,
            "iss": "cdp",
            "nbf": start,
            "exp": start + LIFETIME_SECONDS,
            "uri": f"{method} {host}{path}",
        }
        headers = {"kid": self.name, "nonce": secrets.token_hex(16)}
        return jwt.encode(claims, self._key, algorithm=self.algorithm, headers=headers)


def _load(secret: str) -> EllipticCurvePrivateKey | Ed25519PrivateKey:
    text = secret.strip().replace("\\n", "\n")
    key = _from_pem(text) if text.startswith("-----BEGIN") else _from_base64(text)
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    raise FeedRejected("the Coinbase key must be an EC P-256 or an Ed25519 private key")


def _from_pem(text: str) -> object:
    try:
        return load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FeedRejected("the Coinbase key is no readable, unencrypted PEM private key") from error


def _from_base64(text: str) -> Ed25519PrivateKey:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FeedRejected("the Coinbase key is neither PEM text nor base64") from error
    if len(raw) not in {32, 64}:
        raise FeedRejected(f"a base64 Coinbase key must hold 32 or 64 bytes, held {len(raw)}")
    return Ed25519PrivateKey.from_private_bytes(raw[:32])
