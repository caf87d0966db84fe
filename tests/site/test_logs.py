"""Logs: one JSON object a line, and no secret in any of them."""

import json
from collections.abc import Callable

from crpbot_site import logs
from tests.site.conftest import Done

SECRETS = {"BINANCE_API_SECRET": "key/with+signs==", "CRPBOT_ADMIN_PASSWORD": "a-long-password"}
START = "import logging, os, django, structlog; django.setup(); log = logging.getLogger('trading')\n"


def logged(program: Callable[..., Done], script: str) -> list[str]:
    """What a process of the product writes to stderr when it logs like this."""
    done = program(["-c", START + script], DJANGO_SETTINGS_MODULE="crpbot_site.settings", **SECRETS)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_every_event_is_one_line_of_json(program: Callable[..., Done]) -> None:
    (line,) = logged(program, r"log.warning('two\nlines, %s', '\x1b[31mred\u202e\r\n')")
    assert json.loads(line)["level"] == "warning"
    assert json.loads(line)["logger"] == "trading"
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_a_known_secret_never_stands_in_a_line(program: Callable[..., Done]) -> None:
    script = """
secrets = [os.environ["BINANCE_API_SECRET"], os.environ["CRPBOT_ADMIN_PASSWORD"]]
secrets.append(django.conf.settings.SECRET_KEY)
for secret in secrets:
    structlog.get_logger("trading").error("refused", url=f"https://h/?k={secret}", more=[{"deep": secret}])
    log.error("token %s", secret)
    try:
        raise ValueError(f"cannot use {secret}")
    except ValueError:
        log.exception("failed")
    try:
        assert secret not in "", secret
        {}[secret]
    except KeyError as error:
        log.error("missing", exc_info=error)
"""
    lines = logged(program, script)
    assert len(lines) == 12
    assert all(json.loads(line) for line in lines)
    assert sum(logs.REDACTED in line for line in lines) == 12
    assert not [secret for secret in SECRETS.values() if secret in "".join(lines)]


def test_names_and_addresses_give_secrets_away_too() -> None:
    clean = logs.Redactor(()).clean
    assert clean({"api_key": "x1", "Authorization": "Bearer y"}) == {
        "api_key": logs.REDACTED,
        "Authorization": logs.REDACTED,
    }
    assert clean("redis://crpbot:abc@redis:6379/1") == f"redis://{logs.REDACTED}@redis:6379/1"
    assert clean("plain text about 12:30 @ home") == "plain text about 12:30 @ home"


def test_short_words_are_no_secrets() -> None:
    assert logs.Redactor(("", "ab")).clean("about abc") == "about abc"
