"""The lists of all rows, one file a room of models; facts are shown and never edited here."""

from trading.admin import accounts, calendar, lives, markets, orders, programmes, records, signals

__all__ = ["accounts", "calendar", "lives", "markets", "orders", "programmes", "records", "signals"]
