"""Run the desk, the one process that sends orders; a second one waits until the first lets go."""

import os
import signal
import socket
import threading
import time
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections

from trading.services.desk import Desk


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        ending = threading.Event()

        def end(_number: int, _frame: FrameType | None) -> None:
            ending.set()

        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)
        owner = f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}"
        self.stdout.write(f"The desk {owner} starts; Ctrl-C ends it.")
        self.stdout.flush()
        try:
            Desk(owner).run(ending)
        finally:
            connections.close_all()
        self.stdout.write("The desk has let go of its lease.")
