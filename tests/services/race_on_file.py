"""``python -m tests.services.race_on_file [NAME [CONTROL]]``: the tables, and one race on them, as JSON."""

import json
import sys
from importlib import import_module

import django
from django.core.management import call_command


def main() -> None:
    """Make the tables, then run; Django must stand before the races are read."""
    django.setup()
    call_command("migrate", verbosity=0)
    if sys.argv[1:]:
        races = import_module("tests.services.races")
        sys.stdout.write(json.dumps(races.run(*sys.argv[1:])) + "\n")


if __name__ == "__main__":
    main()
