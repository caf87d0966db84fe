"""A database of one's own for the length of a command; the appliance's rows are out of reach."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg2 import sql


@contextmanager
def scratch_database(*, keep: bool) -> Iterator[str]:
    """Make and migrate a scratch database beside the appliance's, use it, and drop it; yields where it is.

    A file in a new folder on SQLite, a database of the same server on PostgreSQL. Losing it costs nothing,
    so it does not wait for the disk. keep: leave it for a look.
    """
    appliance, crpbot = dict(connection.settings_dict), settings.CRPBOT
    folder = Path(tempfile.mkdtemp(prefix="crpbot-replay-"))
    connection.close()
    # Neither the appliance's HALT file nor its environment's halt concerns a recorded market.
    settings.CRPBOT = crpbot.model_copy(update={"data_dir": folder, "halt": False})
    make, drop = (_postgresql, _drop) if connection.vendor == "postgresql" else (_sqlite, _remove)
    try:
        place = make(folder)
        try:
            call_command("migrate", verbosity=0, interactive=False)
            yield place
        finally:
            connection.close()
            if not keep:
                drop(appliance)
    finally:
        connection.settings_dict.clear()
        connection.settings_dict.update(appliance)
        settings.CRPBOT = crpbot
        if not keep or connection.vendor == "postgresql":
            _empty(folder)


def _sqlite(folder: Path) -> str:
    path = folder / "replay.sqlite3"
    options = dict(connection.settings_dict["OPTIONS"])
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    connection.settings_dict.update(NAME=str(path), OPTIONS=options)
    return str(path)


def _remove(_appliance: dict[str, object]) -> None:
    """The folder goes with everything in it."""


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _postgresql(_folder: Path) -> str:
    name = f"crpbot_replay_{secrets.token_hex(6)}"
    _on_server(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)), connection.settings_dict)
    options = dict(connection.settings_dict["OPTIONS"])
    options["options"] = f"{options['options']} -c synchronous_commit=off"
    connection.settings_dict.update(NAME=name, OPTIONS=options)
    return f"database {name}"


def _drop(appliance: dict[str, object]) -> None:
    name = str(connection.settings_dict["NAME"])
    _on_server(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)), appliance)


def _on_server(statement: sql.Composed, database: dict[str, object]) -> None:
    """Run one statement outside any transaction, over the appliance's own database."""
    session = psycopg2.connect(
        dbname=database["NAME"],
        user=database["USER"] or None,
        password=database["PASSWORD"] or None,
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        connect_timeout=5,
    )
    with closing(session):
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(statement)
