"""How far beyond its stop a fill is counted, for each market."""

from decimal import Decimal

from django.db import migrations, models

# Covers 99.9 % of the 1,000 worst minutes of each coin; every other market has that of all of them together.
MEASURED = {"BTC": Decimal(10), "ETH": Decimal(20), "SOL": Decimal(85), "TEST": Decimal(10)}


def measured(apps, schema_editor):
    for market in apps.get_model("trading", "Market").objects.all():
        coin = market.symbol.replace("/", "-").partition("-")[0]
        if coin in MEASURED:
            market.gap_buffer_bp = MEASURED[coin]
            market.save(update_fields=("gap_buffer_bp",))


class Migration(migrations.Migration):
    dependencies = (("trading", "0005_day_period"),)
    operations = (
        migrations.AddField(
            model_name="market",
            name="gap_buffer_bp",
            field=models.DecimalField(
                decimal_places=6,
                default=175,
                help_text="how far beyond its stop a fill is counted; covers 99.9 % of the worst minutes",
                max_digits=12,
            ),
        ),
        migrations.RunPython(measured, migrations.RunPython.noop),
    )
