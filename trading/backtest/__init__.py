"""Research on past candles under the same gate, sizing and costs as live trading."""
