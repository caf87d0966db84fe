"""Make the first markets, programmes, paper accounts and the superuser, where they are missing."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from crpbot_site import starting


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        chosen, made = starting.make_rows(now=timezone.now())
        for line in starting.sentences(chosen, made):
            self.stdout.write(line)
        if made.owner:
            self.stdout.write(f"Superuser made: {made.owner}.")
        if made.password:
            self.stdout.write(f"Password, shown this once: {made.password}")
