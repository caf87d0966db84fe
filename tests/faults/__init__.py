"""Tests that kill, stop and starve real processes."""
