"""What all HTTP stand-ins share: a real server, a clock, scripted failures, a record of requests.

Standard library only: it also runs in a bare container.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

TOO_MANY = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
PAGE = b"<!doctype html><html><head><title>Just a moment</title></head><body>Checking</body></html>"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came in; ``at`` is on the monotonic clock."""

    at: float
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer, before a failure spoils it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One scripted failure: a status code in digits, or stall, slow, cut, cut-json, drop, html, empty, shape."""

    kind: str
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 30.0


def as_json(content: Any, status: int = 200) -> Reply:
    """An answer with a JSON body."""
    return Reply(status=status, body=json.dumps(content).encode())


class Standin:
    """A server in threads of its own; use as a context manager. Subclasses answer in ``reply``."""

    base_path = ""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, rate_limit: float | None = None) -> None:
        self.rate_limit = rate_limit
        self.requests: list[Request] = []
        self.skew = 0.0
        self._frozen: float | None = None
        self._failures: deque[Failure] = deque()
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self._server = _Server((host, port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address a client is given as its base."""
        return f"http://127.0.0.1:{self.port}{self.base_path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    # --- the clock -------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """The stand-in's idea of the present, which ``skew`` seconds may put wrong."""
        base = time.time() if self._frozen is None else self._frozen
        return round((base + self.skew) * 1000)

    def set_now(self, instant: datetime | None) -> None:
        """Stop the clock at an instant, or let it follow the wall clock again."""
        self._frozen = None if instant is None else instant.timestamp()

    # --- failures --------------------------------------------------------------------------------

    def fail_next(
        self,
        kind: str,
        *,
        times: int = 1,
        path: str = "",
        retry_after: float | str | None = None,
        reset: float | None = None,
        seconds: float = 30.0,
    ) -> None:
        """Spoil the next answers whose path contains ``path``, after those already scripted.

        retry_after, reset: the hints of a 429.  seconds: how long a stall or a trickle lasts.
        """
        headers = {}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        if reset is not None:
            headers["x-ratelimit-reset"] = str(reset)
        failure = Failure(kind=kind, path=path, headers=headers, seconds=seconds)
        with self._lock:
            self._failures.extend([failure] * times)

    def recover(self) -> None:
        """Forget the failures that are still scripted."""
        with self._lock:
            self._failures.clear()

    def peak_rate(self, seconds: float = 1.0) -> int:
        """The most requests that came in within any stretch of so many seconds."""
        instants = sorted(request.at for request in list(self.requests))
        return max((sum(1 for b in instants if a <= b < a + seconds) for a in instants), default=0)

    def forget_old_requests(self) -> None:
        """Keep only the newest requests on record, for a server that runs for days."""
        with self._lock:
            del self.requests[:-1000]

    # --- answering -------------------------------------------------------------------------------

    def reply(self, request: Request) -> Reply:
        """The true answer to a request."""
        raise NotImplementedError

    def answer(self, request: Request) -> tuple[Reply, Failure | None]:
        """Record a request; its answer and the failure that spoils it, if one is due."""
        with self._lock:
            self.requests.append(request)
            crowd = sum(1 for other in self.requests[-200:] if request.at - other.at < 1.0)
            failure = next((f for f in self._failures if f.path in request.path), None)
            if failure is not None:
                self._failures.remove(failure)
        if self.rate_limit is not None and crowd > self.rate_limit:
            return as_json(TOO_MANY, 429), failure
        return self.reply(request), failure


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what many tests are about; anything else is worth reading."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(standin: Standin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60
        # Head and body are written apart: with Nagle's algorithm each answer would take 40 ms.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            request = Request(
                at=time.monotonic(),
                method=self.command,
                path=address.path,
                query=dict(parse_qsl(address.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
            )
            reply, failure = standin.answer(request)
            try:
                _spoiled(self, standin, reply, failure)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *parts: object) -> None:
            """Say nothing: the record of requests is what tests look at."""

    return Handler


def _spoiled(
    handler: BaseHTTPRequestHandler, standin: Standin, reply: Reply, failure: Failure | None
) -> None:
    if failure is None:
        _send(handler, reply)
    elif failure.kind.isdigit():
        body = TOO_MANY if failure.kind == "429" else {"error": "FAILED", "message": "scripted failure"}
        status = int(failure.kind)
        _send(handler, Reply(status=status, body=json.dumps(body).encode(), headers=failure.headers))
    else:
        _SPOILERS[failure.kind](handler, standin, reply, failure)


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    _head(handler, reply)
    handler.wfile.write(reply.body)


def _head(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    handler.send_header("Content-Type", reply.content_type)
    handler.send_header("Content-Length", str(len(reply.body)))
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.flush()


def _stall(handler: BaseHTTPRequestHandler, standin: Standin, reply: Reply, failure: Failure) -> None:
    standin.stopping.wait(failure.seconds)
    handler.close_connection = True


def _slow(handler: BaseHTTPRequestHandler, standin: Standin, reply: Reply, failure: Failure) -> None:
    """Whole in the end, a byte at a time: no single read ever waits long."""
    _head(handler, reply)
    pause = failure.seconds / max(1, len(reply.body))
    for place in range(len(reply.body)):
        handler.wfile.write(reply.body[place : place + 1])
        handler.wfile.flush()
        if standin.stopping.wait(pause):
            break
    handler.close_connection = True


def _cut(handler: BaseHTTPRequestHandler, standin: Standin, reply: Reply, failure: Failure) -> None:
    """The connection ends half-way through the announced body."""
    _head(handler, reply)
    handler.wfile.write(reply.body[: len(reply.body) // 2])
    handler.close_connection = True


def _drop(handler: BaseHTTPRequestHandler, standin: Standin, reply: Reply, failure: Failure) -> None:
    handler.close_connection = True


def _instead(
    change: Callable[[Reply], Reply],
) -> Callable[[BaseHTTPRequestHandler, Standin, Reply, Failure], None]:
    def spoil(handler: BaseHTTPRequestHandler, standin: Standin, reply: Reply, failure: Failure) -> None:
        _send(handler, change(reply))

    return spoil


_SPOILERS: dict[str, Callable[[BaseHTTPRequestHandler, Standin, Reply, Failure], None]] = {
    "stall": _stall,
    "slow": _slow,
    "cut": _cut,
    "drop": _drop,
    "cut-json": _instead(lambda reply: Reply(body=reply.body[: len(reply.body) // 2])),
    "html": _instead(lambda reply: Reply(body=PAGE, content_type="text/html; charset=utf-8")),
    "empty": _instead(lambda reply: Reply()),
    "shape": _instead(lambda reply: as_json({"rows": []})),
    "list": _instead(lambda reply: as_json([1, 2, 3])),
    "nan": _instead(lambda reply: Reply(body=b'{"candles": NaN, "epochMillis": NaN}')),
}
