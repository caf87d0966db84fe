"""Judges the token of a private Coinbase request as Coinbase would."""

from __future__ import annotations

import re
from collections.abc import Mapping

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.standins.coinbase import TokenCheck


def check(public_keys: Mapping[str, str]) -> TokenCheck:
    """A judge that knows these API keys: name -> public key as PEM text; each nonce passes once."""
    used: set[str] = set()

    def judge(method: str, host: str, path: str, authorization: str) -> str | None:
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not token:
            return "there is no bearer token"
        try:
            header = jwt.get_unverified_header(token)
            pem = public_keys.get(header.get("kid", ""))
            if pem is None:
                return "the key is unknown"
            key = load_pem_public_key(pem.encode())
            algorithm = "EdDSA" if isinstance(key, Ed25519PublicKey) else "ES256"
            required = ["exp", "nbf", "sub", "iss", "uri"]
            claims = jwt.decode(
                token, pem, algorithms=[algorithm], issuer="cdp", options={"require": required}
            )
        except jwt.PyJWTError as error:
            return f"the token is not good: {error}"
        return _wrong(claims, header, f"{method} {host}{path}", used)

    return judge


def _wrong(claims: dict[str, object], header: dict[str, object], uri: str, used: set[str]) -> str | None:
    nonce = str(header.get("nonce", ""))
    if not re.fullmatch("[0-9a-f]{16,}", nonce) or nonce in used:
        return "the nonce is missing or was used before"
    used.add(nonce)
    if claims["sub"] != header["kid"]:
        return "the subject is not the key"
    if int(str(claims["exp"])) - int(str(claims["nbf"])) > 120:
        return "the token lives longer than two minutes"
    if claims["uri"] != uri:
        return f"the token is for {claims['uri']}, the request was {uri}"
    return None
