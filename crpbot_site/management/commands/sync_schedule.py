"""Write the timetable into the rows that the scheduler reads; an operator's edits stay."""

from typing import Any

from django.core.management.base import BaseCommand

from crpbot_site import schedule


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        done = schedule.sync()
        for word, names in (
            ("Created", done.created),
            ("Updated", done.updated),
            ("Left as edited", done.kept),
        ):
            if names:
                self.stdout.write(f"{word}: {', '.join(names)}.")
        if not (done.created or done.updated or done.kept):
            self.stdout.write("The schedule is as the table says.")
