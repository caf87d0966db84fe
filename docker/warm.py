"""Import once what the roles import, so that the image holds the bytecode of these modules."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import django

ROLES = (
    "crpbot_site.wsgi",
    "crpbot_site.urls",
    "crpbot_site.celery",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.concurrency.prefork",
    "django_celery_beat.schedulers",
    "flower.command",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "trading.tasks.scan",
    "trading.tasks.control",
    "trading.tasks.research",
    "trading.management.commands.desk",
)


def main() -> None:
    """Import every role's modules; a module that cannot be imported fails the build."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crpbot_site.settings")
    django.setup()
    for name in ROLES:
        import_module(name)


if __name__ == "__main__":
    main()
