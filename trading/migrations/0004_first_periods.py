"""Every account's first period, and its days in it; money paid in or out is append-only."""

from importlib import import_module

from django.db import migrations

TABLE = "trading_balanceoperation"


def begin(apps, schema_editor):
    period = apps.get_model("trading", "AccountPeriod")
    for account in apps.get_model("trading", "Account").objects.all():
        first = period.objects.create(
            account=account,
            sequence=1,
            began_by="opened",
            began_at=account.created_at,
            number=account.number,
            programme=account.programme,
            initial_balance=account.initial_balance,
            opening_balance=account.initial_balance,
        )
        apps.get_model("trading", "AccountDay").objects.filter(account=account).update(period=first)


def _guards(schema_editor):
    rules = import_module("trading.migrations.0002_append_only")
    make = rules._postgresql if schema_editor.connection.vendor == "postgresql" else rules._sqlite
    for operation in ("UPDATE", "DELETE"):
        name = f"{TABLE}_no_{operation.lower()}"
        yield name, make(name, TABLE, operation, "")


def guard(apps, schema_editor):
    for _name, statement in _guards(schema_editor):
        schema_editor.execute(statement)


def unguard(apps, schema_editor):
    of_table = f" ON {TABLE}" if schema_editor.connection.vendor == "postgresql" else ""
    for name, _statement in _guards(schema_editor):
        schema_editor.execute(f"DROP TRIGGER {name}{of_table}")


class Migration(migrations.Migration):
    dependencies = (("trading", "0003_guard"),)
    operations = (
        migrations.RunPython(begin, migrations.RunPython.noop),
        migrations.RunPython(guard, unguard),
    )
