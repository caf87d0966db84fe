"""Column types that several nouns share."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.db import models

LOTS_PLACES = 4
PRICE_PLACES = 8


def choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Django choices of an enumeration: the word itself is its label."""
    return [(word.value, word.value) for word in words]


def one_of(column: str, words: type[StrEnum], name: str) -> models.CheckConstraint:
    """A database constraint that admits the words of an enumeration and nothing else."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__in": [w.value for w in words]}), name=name
    )


def word(words: type[StrEnum], **options: Any) -> models.CharField[Any, Any]:
    """A short text column that holds one word of an enumeration."""
    return models.CharField(max_length=12, choices=choices(words), **options)


def money(**options: Any) -> models.DecimalField[Any, Any]:
    """Money in account currency, to the cent."""
    return models.DecimalField(max_digits=14, decimal_places=2, **options)


def price(**options: Any) -> models.DecimalField[Any, Any]:
    """A price in quote currency."""
    return models.DecimalField(max_digits=18, decimal_places=PRICE_PLACES, **options)


def lots(**options: Any) -> models.DecimalField[Any, Any]:
    """A volume in lots."""
    return models.DecimalField(max_digits=12, decimal_places=LOTS_PLACES, **options)


def fraction(**options: Any) -> models.DecimalField[Any, Any]:
    """A share, rate or basis-point figure."""
    return models.DecimalField(max_digits=12, decimal_places=6, **options)
