"""All roles in one process: web, worker, beat and desk as threads over one SQLite file, without Redis.

What ends here unasked ends the process: a supervisor starts it again, and a start is the whole repair.
Queued tasks are lost at the end; every one of them finds its work again in the rows.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from celery import Celery, beat, signals
from celery.worker import WorkController
from celery.worker import state as worker_state
from django.core.wsgi import get_wsgi_application
from django_celery_beat.schedulers import DatabaseScheduler
from filelock import FileLock, Timeout
from waitress import create_server

from crpbot_site.celery import MODULES, QUEUES, options
from trading.services.desk import Desk

WEB_THREADS = 6
WORKER_THREADS = 3
# Beat sleeps this long between two looks, so that it also ends within it.
BEAT_SECONDS = 1
END_SECONDS = 8.0

log = logging.getLogger(__name__)


class AlreadyRunning(Exception):
    """Another process has the port or the data folder; the text says which and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """The panel's listening socket; AlreadyRunning when somebody else has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise AlreadyRunning(
            f"Port {port} of {host} is taken ({error.strerror}): another CRPBot or another program listens there."
            " Stop it, or choose another port: in CRPBOT_URL, or with `manage.py appliance --port`."
        ) from None
    return listener


def lock(data_dir: Path) -> FileLock:
    """The one right to work with a data folder, held until this process ends, whichever way."""
    held = FileLock(data_dir / "appliance.lock")
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise AlreadyRunning(
            f"Another CRPBot works with the folder {data_dir}: only one may. Stop it first."
        ) from None
    return held


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One thread of the appliance: what it runs, and how it is asked to end."""

    name: str
    run: Callable[[], None]
    stop: Callable[[], None]


def web(listener: socket.socket) -> Role:
    server = create_server(
        get_wsgi_application(),
        sockets=[listener],
        threads=WEB_THREADS,
        ident="",
        clear_untrusted_proxy_headers=False,  # Django trusts X-Forwarded-Proto with an https address only
    )
    return Role(name="web", run=server.run, stop=server.close)


def worker(app: Celery) -> Role:
    """Every queue in one pool of threads. Time limits do not act on threads: the services keep their own."""
    controller = WorkController(
        app=app,
        pool_cls="threads",
        concurrency=WORKER_THREADS,
        queues=list(QUEUES),
        include=list(MODULES.values()),
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
        hostname=f"appliance@{socket.gethostname()}",
        ready_callback=lambda consumer: signals.worker_ready.send(sender=consumer),
    )
    return Role(name="worker", run=controller.start, stop=_end_worker)


def _end_worker() -> None:
    # What the command line's own signal handler does; tests/site holds it.
    vars(worker_state)["should_stop"] = 0


def timetable(app: Celery) -> Role:
    service = beat.Service(app, max_interval=BEAT_SECONDS, scheduler_cls=DatabaseScheduler)
    return Role(name="beat", run=service.start, stop=service.stop)


def desk() -> Role:
    ending = threading.Event()
    here = Desk(f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}")
    return Role(name="desk", run=lambda: here.run(ending), stop=ending.set)


class Appliance:
    """Runs roles as threads until it is asked to end or one of them ends by itself."""

    def __init__(self, roles: list[Role]) -> None:
        self._roles = roles
        self._ending = threading.Event()
        self._threads = {
            role.name: threading.Thread(target=self._guard, args=(role,), name=role.name, daemon=True)
            for role in roles
        }
        self.fallen: str = ""

    def _guard(self, role: Role) -> None:
        try:
            role.run()
        except BaseException:
            log.exception("The role %s failed", role.name)
        if not self._ending.is_set():
            self.fallen = self.fallen or role.name
            self._ending.set()

    def start(self) -> None:
        for thread in self._threads.values():
            thread.start()

    def ask_to_end(self) -> None:
        """Safe to call from a signal handler."""
        self._ending.set()

    def wait(self) -> None:
        """Until somebody asks, or a role falls; short waits, because signals arrive between them."""
        while not self._ending.wait(0.2):
            pass

    def stop(self) -> list[str]:
        """Ask every role to end, the last one started first; the names of those that have not within the time."""
        deadline = time.monotonic() + END_SECONDS
        for role in reversed(self._roles):
            role.stop()
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        return [name for name, thread in self._threads.items() if thread.is_alive()]


def embedded(app: Celery) -> Celery:
    """The application over the broker inside this process, whatever the environment names."""
    app.conf.update(options(None), worker_soft_shutdown_timeout=0, beat_enable_remote_control=False)
    return app
