"""The appliance: wiring and upkeep."""
