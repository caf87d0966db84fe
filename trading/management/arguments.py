"""What several commands read from their command line; every mistake is one sentence and exit code 2."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.core.management.base import CommandError

from trading.models import Market

BAD_INPUT = 2


def bad_input(sentence: str) -> CommandError:
    """The error of wrong input: a sentence for people and exit code 2."""
    return CommandError(sentence, returncode=BAD_INPUT)


def market(key: str) -> Market:
    """The market of this key; a sentence that lists the known ones when there is none."""
    found = Market.objects.filter(key=key).first()
    if found is None:
        known = ", ".join(Market.objects.order_by("key").values_list("key", flat=True))
        raise bad_input(f"there is no market {key!r}; known are: {known or 'none yet'}")
    return found


def instant(text: str, *, name: str) -> datetime:
    """An aware UTC instant, to the minute, from ISO text; without a zone it is UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise bad_input(f"{name} needs a date like 2026-01-31 or 2026-01-31T14:00, was {text!r}") from None
    aware = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    return aware.replace(second=0, microsecond=0)


def span(
    *, since: str | None, until: str | None, days: int | None, now: datetime
) -> tuple[datetime, datetime]:
    """The range that ``--from`` and ``--to``, or ``--days``, name; it never reaches into the future."""
    if (days is None) == (since is None):
        raise bad_input("give either --days or --from, and --to only with --from")
    end = instant(until, name="--to") if until else now.replace(second=0, microsecond=0)
    if end > now:
        raise bad_input(f"--to lies in the future: {end:%Y-%m-%d %H:%M} UTC, now is {now:%Y-%m-%d %H:%M} UTC")
    if days is not None:
        if until:
            raise bad_input("--days counts back from now, so --to cannot stand beside it")
        if not 1 <= days <= 10_000:
            raise bad_input(f"--days must lie between 1 and 10,000, was {days}")
        return end - timedelta(days=days), end
    start = instant(since or "", name="--from")
    if start >= end:
        raise bad_input(
            f"--from must lie before --to, was {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC"
        )
    return start, end
