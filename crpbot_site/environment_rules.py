"""What a value of the environment must look like, and the sentences that say so."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr

SECRET_KEY_LENGTH = 50
LAN = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
LAN_ENDINGS = (".local", ".lan", ".home", ".internal", ".home.arpa")
MARKET = re.compile(r"[A-Z0-9]{2,12}[-/][A-Z0-9]{2,12}")
FEED = re.compile(r"auto|coinbase|synthetic|ccxt:[a-z0-9]+")


def is_loopback(host: str) -> bool:
    """Whether a URL's host names this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_lan(host: str) -> bool:
    """Whether a URL's host is an address or a name of the local network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(LAN_ENDINGS)
    return any(address in net for net in LAN if net.version == address.version)


def _address(value: str, *, schemes: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is no address: {error}") from None
    if parts.scheme not in schemes:
        raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.scheme != "sqlite" and not parts.hostname:
        raise ValueError("names no host")
    if port == 0:
        raise ValueError("names port 0")
    return value


def web_address(value: str) -> str:
    """An http or https address, without a slash at its end."""
    return _address(value, schemes=("http", "https")).rstrip("/")


def own_address(value: str) -> str:
    """The panel's address: https anywhere, http only where no stranger listens."""
    value = web_address(value)
    parts = urlsplit(value)
    host = parts.hostname or ""
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be scheme, host and port only, such as https://crpbot.example.net")
    if parts.scheme == "http" and not (is_loopback(host) or is_lan(host)):
        raise ValueError(f"http is allowed on this machine and on a private network only, {host} needs https")
    return value


def database_address(value: SecretStr) -> SecretStr:
    """A PostgreSQL server with a database, or an SQLite file."""
    text = value.get_secret_value()
    parts = urlsplit(_address(text, schemes=("postgresql", "postgres", "sqlite")))
    if len(parts.path) < 2:
        raise ValueError("names no database")
    return value


def redis_address(value: SecretStr) -> SecretStr:
    _address(value.get_secret_value(), schemes=("redis", "rediss"))
    return value


def secret_key(value: SecretStr) -> SecretStr:
    """A key that Django's own deployment check accepts."""
    text = value.get_secret_value()
    if len(text) < SECRET_KEY_LENGTH or len(set(text)) < 5:
        raise ValueError(
            f"must have at least {SECRET_KEY_LENGTH} characters; leave it out on SQLite, one is made"
        )
    return value


def zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, KeyError, OSError):
        raise ValueError("is no known time zone, Europe/Prague would be one") from None
    return value


def feed(value: str) -> str:
    if not FEED.fullmatch(value):
        raise ValueError("must be auto, coinbase, synthetic or ccxt:<exchange>")
    return value


def markets(value: tuple[str, ...]) -> tuple[str, ...]:
    for symbol in value:
        if not MARKET.fullmatch(symbol):
            raise ValueError(f"{symbol!r} is no market, BTC-USD would be one")
    if len(set(value)) < len(value):
        raise ValueError("names a market twice")
    if not value:
        raise ValueError("names no market")
    return value


def words(value: Any) -> Any:
    """Split a comma-separated list."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "bool_parsing": lambda _: "must be 1 or 0",
    "int_parsing": lambda _: "must be a whole number",
    "decimal_parsing": lambda _: "must be a number",
    "finite_number": lambda _: "must be a number",
    "literal_error": lambda error: f"must be one of {str(error['ctx']['expected']).replace(chr(39), '')}",
}


def sentence(error: Mapping[str, Any], *, limits: Mapping[str, Any], secret: bool) -> str:
    """What is wrong with one value, in words; a secret's value is not shown."""
    kind = str(error["type"])
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        low, high = limits["low"], limits["high"]
        text = (
            f"must be above {low} and at most {high}"
            if limits["open"]
            else f"must lie between {low} and {high}"
        )
    elif kind in SENTENCES:
        text = SENTENCES[kind](error)
    else:
        text = str(error["msg"]).removeprefix("Value error, ")
    shown = error.get("input")
    if secret or not isinstance(shown, str) or kind in ("missing", "value_error") or not shown:
        return text
    return f"{text}, was {shown!r}"
