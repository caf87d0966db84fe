"""Logs: one JSON object a line, or readable lines on a terminal; no secret in either."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

REDACTED = "[redacted]"
SHORTEST_SECRET = 6
SECRET_NAMES = re.compile(r"password|passwd|secret|token|api_?key|authorization|cookie", re.IGNORECASE)
CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*(?=@)")


class Redactor:
    """A structlog processor that replaces known secrets, credentials in addresses and values named like secrets."""

    def __init__(self, hidden: Sequence[str]) -> None:
        words = sorted({word for word in hidden if len(word) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, words))) if words else None

    def clean(self, value: Any) -> Any:
        """The same value without secrets, containers included."""
        if isinstance(value, str):
            text = CREDENTIALS_IN_URL.sub(REDACTED, value)
            return self._known.sub(REDACTED, text) if self._known else text
        if isinstance(value, dict):
            return {key: REDACTED if self._named(key) else self.clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.clean(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.clean(str(value))

    @staticmethod
    def _named(key: Any) -> bool:
        return bool(SECRET_NAMES.search(str(key)))

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        cleaned: EventDict = self.clean(event)
        return cleaned


def configuration(*, level: str, hidden: Sequence[str], terminal: bool | None = None) -> dict[str, Any]:
    """A ``logging.config`` dictionary for Django; also points structlog's own loggers at it."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    readable = sys.stderr.isatty() if terminal is None else terminal
    last: Processor = (
        structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer()
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            Redactor(hidden),
            last,
        ],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Every request and every retry would be a line; what came of them is an event.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            "stamina": {"level": "ERROR"},
            # Two lines for every run of every task; the rows of task runs say more.
            "celery": {"level": "INFO" if level == "debug" else "WARNING"},
        },
    }
