"""Numbers, ages and badges as the panel writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from crpbot_site.panel import drawings, figures, life_words, risk_words, stories, words
from crpbot_site.panel.figures import MINUS, UNKNOWN
from trading.core.types import utc_from_ms
from trading.models import AccountDay
from trading.selectors import words as codes
from trading.selectors.signal_page import SignalPage

register = template.Library()

# Paths on a square of 10 units, drawn in the colour of the text.
_GLYPHS = {
    "play": '<path d="M2 1l7 4-7 4z"/>',
    "down-right": '<path d="M2 2l5 5M7 3v4H3" fill="none" stroke="currentColor" stroke-width="1.5"/>',
    "square": '<path d="M1.5 1.5h7v7h-7z"/>',
    "dot": '<circle cx="5" cy="5" r="3.4"/>',
    "triangle": '<path d="M5 1l4.4 8H.6z"/>',
    "lock": '<path d="M2 4.6h6V9H2z"/><path d="M3.3 4.6V3a1.7 1.7 0 013.4 0v1.6" fill="none" stroke="currentColor"/>',
    "cross": '<path d="M2 2l6 6M8 2l-6 6" fill="none" stroke="currentColor" stroke-width="1.6"/>',
    "tick": '<path d="M1.5 5.4L4 8l4.6-6" fill="none" stroke="currentColor" stroke-width="1.5"/>',
    "dash": '<path d="M2 5h6" fill="none" stroke="currentColor" stroke-width="1.4"/>',
    "ring": '<circle cx="5" cy="5" r="3.4" fill="none" stroke="currentColor" stroke-width="1.5" '
    'stroke-dasharray="2 1.5"/>',
    "question": '<path d="M3 3.6C3 2.4 3.9 1.7 5 1.7s2 .7 2 1.8C7 5 5 4.9 5 6.4M5 7.6v1.2" fill="none" '
    'stroke="currentColor" stroke-width="1.4"/>',
    "up": '<path d="M5 1.5l4 7H1z"/>',
    "down": '<path d="M5 8.5l4-7H1z"/>',
}
_CHIPS = {
    "active": ("safe", "play"),
    "reducing": ("caution", "down-right"),
    "halted": ("danger", "square"),
    "green": ("safe", "dot"),
    "amber": ("caution", "triangle"),
    "red": ("danger", "square"),
    "locked": ("danger", "lock"),
    "breach": ("danger", "cross"),
    "unknown": ("unknown", "question"),
    "unproven": ("caution", "ring"),
    "synthetic": ("synthetic", ""),
    "closing": ("caution", "down-right"),
}


@register.simple_tag
def glyph(name: str) -> SafeString:
    """A small drawing beside a word; hidden from screen readers, which read the word."""
    return format_html(
        '<svg class="glyph" viewBox="0 0 10 10" aria-hidden="true" focusable="false">{}</svg>',
        SafeString(_GLYPHS[name]),
    )


@register.simple_tag
def chip(word: Any) -> SafeString:
    """A badge: glyph and word; a word without a meaning for safety stays in ink."""
    text = str(word)
    kind, drawing = _CHIPS.get(text.lower(), ("plain", ""))
    picture = glyph(drawing) if drawing else ""
    return format_html('<span class="chip chip-{}">{}{}</span>', kind, picture, text.upper())


@register.simple_tag
def age(as_of: datetime | None, now: datetime, promise: int, long: bool = False) -> SafeString:
    """How old a figure is against its promise in seconds; the page lets it grow from here."""
    if as_of is None:
        return format_html('<span class="age age-lost">{}</span>', "never")
    seconds = max((now - as_of).total_seconds(), 0.0)
    return format_html(
        '<time class="age age-{}" datetime="{}" data-age="{}" data-promise="{}"{}>{}</time>',
        freshness(seconds, promise),
        as_of.astimezone(UTC).isoformat(timespec="seconds"),
        int(seconds * 1000),
        promise,
        SafeString(" data-long" if long else ""),
        age_text(seconds, promise, long=long),
    )


def freshness(seconds: float, promise: int) -> str:
    """fresh within the promise, stale below four times, lost beyond."""
    if seconds <= promise:
        return "fresh"
    return "stale" if seconds < 4 * promise else "lost"


def age_text(seconds: float, promise: int, *, long: bool = False) -> str:
    """The words beside an age's shape."""
    old = " old" if long or seconds > promise else ""
    return f"{words.span(seconds)}{old}"


money = register.filter(figures.money)
signed = register.filter(figures.signed)
percent = register.filter(figures.percent)


@register.filter
def whole(value: Decimal) -> str:
    """An amount without its cents, for the ends of a drawing."""
    return f"{Decimal(value):,.0f}".replace("-", MINUS)


@register.filter
def count(number: int) -> str:
    """A number of things, with thousands."""
    return f"{number:,}"


@register.filter
def change(value: float | None) -> str:
    """A change in percent, signed; unknown while the day is not covered."""
    return UNKNOWN if value is None else f"{value * 100:+.2f} %".replace("-", MINUS)


@register.filter
def price(value: Decimal | None) -> str:
    """A price with the digits it carries, at least two when above one."""
    if value is None:
        return UNKNOWN
    plain = Decimal(value).normalize()
    exponent = plain.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return f"{plain:,.{max(digits, 2)}f}"


@register.filter
def lots(value: Decimal) -> str:
    """A volume without idle zeros."""
    return f"{Decimal(value).normalize():f}"


@register.filter
def as_reason(code: str) -> str:
    """A code in words."""
    return codes.reason(code)


@register.filter
def as_rule(code: str) -> str:
    """A rule's code as its title."""
    return codes.rule(code)


@register.filter
def lasted(later: datetime, earlier: datetime) -> str:
    """The time between two instants in words."""
    return words.span((later - earlier).total_seconds())


@register.filter
def from_ms(milliseconds: int | None) -> datetime | None:
    """The instant of an epoch in milliseconds."""
    return None if milliseconds is None else utc_from_ms(milliseconds)


base = register.filter("base", figures.coin)


@register.filter
def at(sequence: Any, index: int) -> Any:
    """An element by its place."""
    return sequence[index]


@register.filter
def item(mapping: Any, key: Any) -> Any:
    """The value of a key, or nothing."""
    return mapping.get(key)


@register.simple_tag
def heat(count: int, peak: int) -> int:
    """A count's depth of four, against the day's highest."""
    return min(4, 1 + 4 * count // (peak + 1))


@register.filter
def as_step(kind: str) -> str:
    """A step of an account's life as its title."""
    return life_words.title(kind).capitalize()


@register.filter
def how_known(day: AccountDay) -> str:
    """How the beginning of a day is known."""
    return risk_words.how_known(day)


@register.simple_tag
def signal_verdict(page: SignalPage) -> words.Verdict:
    """The sentence a signal's page opens with."""
    return stories.verdict(page)


@register.filter
def stops(page: SignalPage) -> list[stories.Stop]:
    """The seven stops of a signal."""
    return stories.stops(page)


@register.filter
def held_at_most(page: SignalPage) -> str:
    """The longest holding time of a signal's plan."""
    return words.span(page.signal.cap_seconds)


@register.simple_tag
def signal_path(page: SignalPage) -> drawings.PathChart | None:
    """The drawn way of a signal's price."""
    signal = page.signal
    return drawings.path_chart(page.path, entry=signal.entry, stop=signal.stop, target=signal.target)
