"""Fixtures of the core: the account, the room it has, and the gate's world."""

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest

from tests.core import worlds
from trading.core.gate import GateInput
from trading.core.headroom import Headroom, headroom
from trading.core.types import AccountView


@pytest.fixture
def make_account() -> Callable[..., AccountView]:
    """Build a flat 100,000 account at the start of its day; name what differs."""
    return worlds.account


@pytest.fixture
def make_gate_input() -> Callable[..., GateInput]:
    """Build a world that passes every rule; name what differs."""
    return worlds.gate_input


@pytest.fixture
def make_headroom() -> Callable[..., Headroom]:
    """Work out the headroom of an account of 100,000 in the FTMO 2-Step Challenge; name what differs."""

    def build(**changes: Any) -> Headroom:
        world: dict[str, Any] = {
            "account": worlds.account(),
            "day": worlds.day(),
            "initial": D(100000),
            "programme": worlds.TWO_STEP,
            "instruments": worlds.INSTRUMENTS,
            "pending": (),
            "limits": worlds.LIMITS,
            "now": worlds.NOW,
        }
        return headroom(**(world | changes))

    return build
