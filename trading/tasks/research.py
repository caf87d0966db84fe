"""The queue `research`: long work, which must never disturb a scan."""
