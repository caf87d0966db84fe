"""Plain SQL for the few reads that every tick repeats: building such a query costs ten times its answer.

Whole numbers, text and floats only: they come back alike from SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection


def query(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Every row that a statement finds; ``%s`` stands for each value."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
