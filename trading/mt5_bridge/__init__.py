"""The small service beside a MetaTrader 5 terminal, on the standard library alone."""
