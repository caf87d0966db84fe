"""One careful HTTP client: paced, bounded in time and size, every failure sorted by what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import Any, NoReturn

import httpx
import stamina

from trading.feeds.base import FeedRejected, FeedUnavailable
from trading.feeds.pacing import TokenBucket

Sign = Callable[[], dict[str, str]]
LARGEST_ANSWER = 4 * 1024 * 1024
LONGEST_HINT = 3600.0
JITTER = SystemRandom()
TEMPORARY = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decoded JSON body, and how many seconds old it was when a cache handed it out."""

    body: Any
    age: float


class JsonClient:
    """GET requests for JSON; raises FeedUnavailable or FeedRejected and nothing else.

    timeout: seconds for one whole attempt.  attempts: tries for one request.  patience: the
    longest pause in seconds this client sits out itself; a longer one is left to the caller.
    """

    def __init__(
        self,
        base_url: str,
        *,
        source: str,
        timeout: float,
        bucket: TokenBucket,
        attempts: int = 3,
        patience: float = 5.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = _checked(base_url)
        self._source = source
        self._timeout = timeout
        self._bucket = bucket
        self._retry = stamina.RetryingCaller(
            attempts=attempts, timeout=2 * timeout, wait_initial=0.25, wait_max=4.0, wait_jitter=0.25
        )
        self._patience = patience
        self._sleep = sleep
        self._quiet_until = 0.0
        limits = httpx.Timeout(timeout, connect=min(4.0, timeout))
        self._client = httpx.Client(timeout=limits, headers={"Cache-Control": "no-cache"})

    def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        self._client.close()

    def get(self, path: str, *, params: Mapping[str, str] | None = None, sign: Sign | None = None) -> Answer:
        """The JSON at ``path``; ``sign`` makes fresh headers for every attempt."""
        return self._retry(self._pause, self._attempt, path, params or {}, sign)

    def _pause(self, error: Exception) -> bool | float:
        """Whether to try again, or after how many seconds when the source named them."""
        if not isinstance(error, FeedUnavailable):
            return False
        if error.retry_after is None:
            return True
        # The random part keeps callers apart that were sent away together.
        spread = JITTER.uniform(0.0, 0.1 + error.retry_after / 4)
        return error.retry_after + spread if error.retry_after <= self._patience else False

    def _attempt(self, path: str, params: Mapping[str, str], sign: Sign | None) -> Answer:
        self._wait_for_turn()
        deadline = time.monotonic() + self._timeout
        headers = sign() if sign else {}
        try:
            with self._client.stream("GET", self.url + path, params=params, headers=headers) as response:
                content = self._read(response, deadline)
        except httpx.TimeoutException as error:
            raise FeedUnavailable(
                f"{self._source} did not answer within {self._timeout:g} seconds"
            ) from error
        except httpx.HTTPError as error:
            raise FeedUnavailable(f"{self._source} could not be reached: {error}") from error
        if response.status_code != 200:
            self._refuse(response, content)
        return Answer(body=self._decoded(response, content), age=_seconds(response.headers.get("Age")) or 0.0)

    def _wait_for_turn(self) -> None:
        quiet = self._quiet_until - time.monotonic()
        if quiet > self._patience:
            raise FeedUnavailable(
                f"{self._source} asked for a pause that lasts {quiet:.0f} more seconds", retry_after=quiet
            )
        if quiet > 0:
            self._sleep(quiet)
        self._bucket.take()

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        """The whole body; httpx limits each read only, a trickle would hold it for ever."""
        content = bytearray()
        for part in response.iter_bytes():
            content += part
            if len(content) > LARGEST_ANSWER:
                raise FeedUnavailable(f"{self._source} answered with more than {LARGEST_ANSWER} bytes")
            if time.monotonic() > deadline:
                raise FeedUnavailable(f"{self._source} did not finish within {self._timeout:g} seconds")
        return bytes(content)

    def _refuse(self, response: httpx.Response, content: bytes) -> NoReturn:
        status = response.status_code
        sentence = f"{self._source} answered {status}: {_detail(content)}"
        if status == 429:
            hint = retry_hint(response.headers, now=time.time())
            self._quiet_until = time.monotonic() + (hint or 0.0)
            raise FeedUnavailable(f"{self._source} answered 429: too many requests", retry_after=hint)
        if status >= 500 or status < 400 or status in TEMPORARY:
            hint = retry_hint(response.headers, now=time.time())
            raise FeedUnavailable(sentence, retry_after=hint)
        raise FeedRejected(sentence)

    def _decoded(self, response: httpx.Response, content: bytes) -> Any:
        try:
            return json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            kind = response.headers.get("Content-Type", "no content type")
            raise FeedUnavailable(
                f"{self._source} answered with {len(content)} bytes of {kind} that are not whole JSON"
            ) from error


def retry_hint(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds to wait that an answer names in Retry-After or x-ratelimit-reset, or None.

    Retry-After holds seconds or an HTTP date; x-ratelimit-reset seconds or an epoch in seconds.
    """
    stated = headers.get("Retry-After")
    wait = _seconds(stated)
    if wait is None and stated:
        wait = _until(stated, now)
    if wait is None:
        wait = _seconds(headers.get("x-ratelimit-reset"))
        if wait is not None and wait > 1e9:
            wait = max(0.0, wait - now)
    return None if wait is None else min(wait, LONGEST_HINT)


def _checked(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise FeedRejected(f"the address {base_url!r} cannot be read: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise FeedRejected(
            f"an address must start with http:// or https:// and name a host, was {base_url!r}"
        )
    return base_url.rstrip("/")


def _seconds(text: str | None) -> float | None:
    """A header's number of seconds; None when it is absent or no such number."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _until(text: str, now: float) -> float | None:
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now)


def _detail(content: bytes) -> str:
    """What an error body says, shortened; a page of HTML says nothing useful."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return "no explanation in JSON"
    if isinstance(body, dict):
        for key in ("error_details", "message", "error"):
            if isinstance(body.get(key), str) and body[key]:
                return str(body[key])[:200]
    return "no explanation"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
