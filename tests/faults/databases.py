"""A database of one's own on the server that all fault tests share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2


@contextmanager
def own_database(server: str) -> Iterator[str]:
    """The URL of a new, empty database; it is dropped at the end, with whoever is still connected."""
    name = f"faults_{time.monotonic_ns()}"
    _say(server, f"CREATE DATABASE {name}")
    try:
        yield server.rsplit("/", 1)[0] + f"/{name}"
    finally:
        _say(server, f"DROP DATABASE {name} WITH (FORCE)")


def _say(server: str, statement: str) -> None:
    with closing(psycopg2.connect(server)) as connection:
        # Neither statement may stand in a transaction.
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
