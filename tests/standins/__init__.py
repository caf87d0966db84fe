"""Servers that stand in for the outside world: real sockets on loopback, failing on request."""
