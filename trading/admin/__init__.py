"""The lists of all rows, one file a room of models; facts are shown and never edited here."""

from trading.admin import accounts, markets, orders, records, signals

__all__ = ["accounts", "markets", "orders", "records", "signals"]
