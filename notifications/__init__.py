"""Telling and being told: reads the events that the desk writes and carries them to people."""
