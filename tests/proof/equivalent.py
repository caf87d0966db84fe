"""Changes of the guard that no test can notice, each with the reason why."""

EQUIVALENT: dict[str, str] = {}
