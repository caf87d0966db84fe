"""Run the whole appliance in this process: panel, feeds, scans, paper trades. Ctrl-C ends it."""

import io
import os
import signal
import sys
from types import FrameType
from typing import Any, TextIO, cast

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, connections
from django.utils import timezone
from rich.console import Console

from crpbot_site import appliance, schedule, starting
from crpbot_site.celery import app
from trading.services import task_runs

LEFT_AT_ONCE = 130


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, help="port of the panel; without it, that of CRPBOT_URL")

    def handle(self, *args: Any, port: int | None, **options: Any) -> None:
        env = settings.CRPBOT
        host, port = "127.0.0.1" if env.https else env.host, port or env.port
        try:
            held = appliance.lock(env.data_dir)
            listener = appliance.bind(host, port)
        except appliance.AlreadyRunning as error:
            raise CommandError(str(error), returncode=1) from None
        self.console = Console(file=cast(TextIO, self.stdout), highlight=False, soft_wrap=True)
        self._prepare()
        roles = [appliance.web(listener), appliance.worker(appliance.embedded(app)), appliance.timetable(app)]
        running = appliance.Appliance([*roles, appliance.desk()])
        self._on_signals(running)
        running.start()
        shown = env.url if env.https or port == env.port else f"http://{host}:{port}"
        self.say(f"Panel: {shown}")
        if env.notice:
            self.say(env.notice)
        if env.redis_url:
            self.say("REDIS_URL is set, but in one process tasks stay inside it: Redis is not used.")
        self.say("Ctrl-C ends it.")
        running.wait()
        code = self._end(running)
        held.release()
        self._leave(code)

    def say(self, text: str) -> None:
        """One line for the person in front of it, at once."""
        self.console.print(text, markup=False)
        self.stdout.flush()

    def _prepare(self) -> None:
        """Migrate and make what is missing; all of it may be repeated."""
        self.say(f"Database: {connection.settings_dict['NAME']}, migrating where needed.")
        call_command("migrate", interactive=False, verbosity=0)
        call_command("check", databases=["default"], fail_level="ERROR", stdout=io.StringIO())
        now = timezone.now()
        chosen, made = starting.make_rows(now=now)
        for line in starting.sentences(chosen, made):
            self.say(line)
        task_runs.abandon(now=now, older_than=task_runs.AT_ONCE)
        schedule.sync()
        connections.close_all()
        if made.password:
            self.say(f"User: {made.owner}   Password: {made.password}   (shown this once)")
        elif made.owner:
            self.say(f"User: {made.owner}, with the password of CRPBOT_ADMIN_PASSWORD.")

    def _on_signals(self, running: appliance.Appliance) -> None:
        asked: list[int] = []

        def end(number: int, _frame: FrameType | None) -> None:
            if asked:
                os._exit(LEFT_AT_ONCE)
            asked.append(number)
            running.ask_to_end()

        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)

    def _end(self, running: appliance.Appliance) -> int:
        if running.fallen:
            self.say(f"The role {running.fallen} ended by itself; its error stands in the log above. Ending.")
        else:
            self.say("Ending; a second Ctrl-C leaves at once.")
        late = running.stop()
        if late:
            self.say(f"Still at work: {', '.join(late)}. What it did not finish goes on at the next start.")
        self.say("Ended.")
        return 1 if running.fallen else 0

    def _leave(self, code: int) -> None:
        """Threads of a pool that still work would keep the interpreter for as long as they like."""
        connections.close_all()
        self.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
