"""Candles into the store and out of it, beside the usual ways: one JSON line a figure.

``python -m bench.candles`` measures on SQLite and, where the machine has it, on a PostgreSQL server of its own.
``--rows`` and ``--rounds`` make it shorter. The rounds of ours and the reference take turns; figures are medians.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import servers

ROOT = Path(__file__).resolve().parent.parent
# A process of its own for each database: Django reads its settings once, and models need them when imported.
START = "import django; django.setup(); from bench import candles_measured; candles_measured.main()"


def measure(arguments: list[str], *, database_url: str | None) -> int:
    """Run the measurements on one database; returns the exit status."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CRPBOT_", "DATABASE_"))
    }
    if database_url is not None:
        kept["DATABASE_URL"] = database_url
        kept["CRPBOT_SECRET_KEY"] = "a key for an empty database that lives for a minute"  # noqa: S105
    with tempfile.TemporaryDirectory(prefix="crpbot-bench-") as folder:
        environment = {
            **kept,
            "CRPBOT_DATA_DIR": folder,
            "CRPBOT_FEED": "synthetic",
            "DJANGO_SETTINGS_MODULE": "crpbot_site.settings",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-c", START, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.candles", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="bars in one go")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    arguments = [str(options.rows), str(options.rounds)]
    status = measure(arguments, database_url=None)
    if servers.present("postgres"):
        with servers.postgresql() as url:
            status = measure(arguments, database_url=url) or status
    return status


if __name__ == "__main__":
    sys.exit(main())
