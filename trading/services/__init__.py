"""Every write: one module a noun; keyword-only, typed, ``now`` handed in."""
