"""Sources of candles; `registry` makes one by its name."""
