"""Append-only rows in the database itself, and the global kill switch, HALTED."""

from datetime import UTC, datetime

from django.db import migrations

NEVER_CHANGED = ("trading_signal", "trading_fill", "trading_event", "trading_paperentry")
NEVER_UPDATED = ("trading_risksnapshot",)
FINAL_ONCE_RESOLVED = "trading_outcome"


def _rules():
    """(trigger name, table, operation, condition on the old row) for every guard."""
    for table in NEVER_CHANGED:
        yield f"{table}_no_update", table, "UPDATE", ""
        yield f"{table}_no_delete", table, "DELETE", ""
    for table in NEVER_UPDATED:
        yield f"{table}_no_update", table, "UPDATE", ""
    yield f"{FINAL_ONCE_RESOLVED}_final", FINAL_ONCE_RESOLVED, "UPDATE", "OLD.resolved_at IS NOT NULL"
    yield f"{FINAL_ONCE_RESOLVED}_no_delete", FINAL_ONCE_RESOLVED, "DELETE", ""


def _sqlite(name, table, operation, condition):
    when = f"WHEN {condition} " if condition else ""
    return (
        f"CREATE TRIGGER {name} BEFORE {operation} ON {table} {when}"
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _postgresql(name, table, operation, condition):
    when = f"WHEN ({condition}) " if condition else ""
    return (
        f"CREATE TRIGGER {name} BEFORE {operation} ON {table} FOR EACH ROW {when}"
        "EXECUTE FUNCTION trading_append_only()"
    )


FUNCTION = """
CREATE OR REPLACE FUNCTION trading_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""


def guard(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION, params=None)  # its percent sign is PostgreSQL's own
        make = _postgresql
    else:
        make = _sqlite
    for rule in _rules():
        schema_editor.execute(make(*rule))


def unguard(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    for name, table, _operation, _condition in _rules():
        schema_editor.execute(f"DROP TRIGGER {name} ON {table}" if postgresql else f"DROP TRIGGER {name}")
    if postgresql:
        schema_editor.execute("DROP FUNCTION trading_append_only()")


def halt(apps, schema_editor):
    apps.get_model("trading", "KillSwitch").objects.create(
        account=None,
        state="halted",
        reason="fresh installation",
        changed_by="migration:fresh",
        changed_at=datetime.now(tz=UTC),
    )


class Migration(migrations.Migration):
    dependencies = (("trading", "0001_initial"),)
    operations = (
        migrations.RunPython(halt, migrations.RunPython.noop),
        migrations.RunPython(guard, unguard),
    )
