"""Where orders go: one file a venue, each behind the protocol of ``base``."""
