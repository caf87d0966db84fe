"""The trading desk: feeds, strategies, the gate, the desk and their rows."""
