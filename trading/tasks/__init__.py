"""Doors for background work, one module a queue; a worker imports its own queue's module and no other."""
