"""Pictures of what the futures of an account say: whole SVG elements, drawn on the server.

Ink and the band of an estimate only: passing and failing are no levels of safety, so neither has a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from html import escape

from django.utils.safestring import SafeString, mark_safe

from trading.core.pass_paths import End
from trading.core.pass_probability import AtRisk, Chances, day_of_most, estimate, percent

WIDTH, HEIGHT = 340.0, 176.0
LEFT, RIGHT, TOP, BOTTOM = 30.0, 10.0, 12.0, 34.0
BINS = 30
# So much of the paths must be drawn; a long tail would flatten all that matters.
DRAWN = 0.99
# From a tenth of a percent on one digit behind the point names a risk.
_TENTH = Decimal("0.001")
_AXIS = 'font-size="10.5" fill="var(--ink3)"'
_SAID = 'font-size="11" fill="var(--ink)" font-weight="600"'
# Around letters, in the colour of the card: a label stays readable on the band and on the line.
_HALO = 'paint-order="stroke" stroke="var(--surface)" stroke-width="3" stroke-linejoin="round"'


def risk_chart(chances: Chances) -> SafeString:
    """P(pass) against the risk a trade, with its band, the present risk and the highest point; "" without a curve."""
    curve = chances.curve
    if not curve or chances.present is None:
        return SafeString("")
    across = _Across(float(curve[0].risk), float(curve[-1].risk))
    upper = [(across.x(float(p.risk)), _height(p.high)) for p in curve]
    lower = [(across.x(float(p.risk)), _height(p.low)) for p in curve]
    middle = [(across.x(float(p.risk)), _height(p.share)) for p in curve]
    parts = [_shares()]
    parts += [
        f'<polygon fill="var(--accent)" fill-opacity=".2" points="{_points([*upper, *reversed(lower)])}"/>',
        f'<polyline fill="none" stroke="var(--ink)" stroke-width="1.6" points="{_points(middle)}"/>',
    ]
    parts += _risk_axis(across, curve)
    parts += _marked(across, chances)
    return _svg(parts, f"P(pass) by risk a trade. {chances.curve_sentence}")


def ends_chart(chances: Chances) -> SafeString:
    """How many paths reach the target (upwards) and are stopped (downwards) on which days; "" without paths."""
    if day_of_most(chances, 1) < 1:
        return SafeString("")
    last = day_of_most(chances, DRAWN)
    size = max(-(-last // BINS), 1)
    bins = _binned(chances.by_day, size=size, last=last)
    passed, stopped = max(up for up, _ in bins), max(down for _, down in bins)
    across = _Across(0.0, float(len(bins) * size))
    room = HEIGHT - TOP - BOTTOM - 6
    zero = TOP + room * passed / max(passed + stopped, 1)
    unit = room / max(passed + stopped, 1)
    parts = [
        '<defs><pattern id="pass-hatch" width="4" height="4" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect width="1.6" height="4" fill="var(--mark)"/></pattern></defs>'
    ]
    for number, (up, down) in enumerate(bins):
        x, wide = across.x(number * size), across.x((number + 1) * size) - across.x(number * size) - 1
        parts.append(_bar(x, zero - up * unit, wide, up * unit, "var(--mark)"))
        parts.append(_bar(x, zero, wide, down * unit, "url(#pass-hatch)"))
    parts.append(_line(LEFT, zero, WIDTH - RIGHT, zero, "var(--line2)"))
    parts += _day_axis(across, len(bins) * size)
    parts += _ends_said(chances, across, zero)
    return _svg(parts, _ends_sentence(chances))


def interval(share: float, low: float, high: float) -> SafeString:
    """A share on the way from 0 to 1 with its whiskers, for a row of a table; its figures stand beside it."""
    wide, middle = 120.0, 7.0
    x, left, right = (4 + value * (wide - 8) for value in (share, low, high))
    parts = [
        _line(4, middle, wide - 4, middle, "var(--track)"),
        _line(left, middle, right, middle, "var(--ink)", 'stroke-width="1.5"'),
        _line(left, 3, left, 11, "var(--ink)", 'stroke-width="1.5"'),
        _line(right, 3, right, 11, "var(--ink)", 'stroke-width="1.5"'),
        f'<circle cx="{x:.1f}" cy="{middle}" r="3" fill="var(--ink)"/>',
    ]
    said = f"{percent(share, 1)} %, between {percent(low, 1)} and {percent(high, 1)} %"
    body = "".join(parts)
    return SafeString(
        f'<svg class="pass-interval" viewBox="0 0 120 14" width="120" height="14" role="img"'
        f' aria-label="{said}">{body}</svg>'
    )


class _Across:
    """Values to positions between the left and the right edge."""

    def __init__(self, first: float, last: float) -> None:
        self._first, self._length = first, (last - first) or 1.0

    def x(self, value: float) -> float:
        return LEFT + (value - self._first) / self._length * (WIDTH - LEFT - RIGHT)


def _height(share: float) -> float:
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def _bar(x: float, y: float, width: float, height: float, fill: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" fill="{fill}"/>'
    )


def _text(x: float, y: float, said: str, look: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {look}>{escape(said)}</text>'


def _svg(parts: Sequence[str], said: str) -> SafeString:
    body = "".join(parts)
    # Every text went through escape(); the rest are numbers and words of this module.
    return mark_safe(  # noqa: S308
        f'<svg class="pass-chart" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="100%" role="img"'
        f' aria-label="{escape(said)}">{body}</svg>'
    )


def _shares() -> str:
    """The heights of 0, 50 and 100 percent."""
    return "".join(
        _line(LEFT, _height(share / 100), WIDTH - RIGHT, _height(share / 100), "var(--line)")
        + _text(LEFT - 5, _height(share / 100) + 3.5, f"{share}", _AXIS, "end")
        for share in (0, 50, 100)
    )


def _risk_axis(across: _Across, curve: Sequence[AtRisk]) -> list[str]:
    ticks = [Decimal(n) / 200 for n in range(1, 9) if curve[0].risk <= Decimal(n) / 200 <= curve[-1].risk]
    marks = [curve[0].risk, *ticks]
    return [
        _text(across.x(float(risk)), HEIGHT - 19, _percent(risk, 1 if risk >= _TENTH else 2), _AXIS)
        for risk in marks
    ] + [_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5, "risk a trade, % of the initial balance", _AXIS)]


def _marked(across: _Across, chances: Chances) -> list[str]:
    """The present risk as a dot on the line, and the highest point where it is another one, each with its word.

    The words stand at the foot, in rows of their own: they never meet each other or the line's dots.
    """
    now = next(point for point in chances.curve if point.risk == chances.present)
    best = next((point for point in chances.curve if point.risk == chances.best_risk), now)
    found = _dot(across, now, f"now {_percent(now.risk, 2)} %", fill="var(--ink)", row=0)
    if best.risk != now.risk:
        found = (
            _dot(across, best, f"highest {_percent(best.risk, 2)} %", fill="var(--surface)", row=1) + found
        )
    return found


def _dot(across: _Across, point: AtRisk, said: str, *, fill: str, row: int) -> list[str]:
    x, y, foot = across.x(float(point.risk)), _height(point.share), HEIGHT - BOTTOM - 6 - 15 * row
    right = x < WIDTH - RIGHT - 90
    return [
        _line(x, y, x, HEIGHT - BOTTOM, "var(--ink3)", 'stroke-dasharray="2 3"'),
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{fill}" stroke="var(--ink)" stroke-width="1.5"/>',
        _text(x + (5 if right else -5), foot, said, f"{_SAID} {_HALO}", "start" if right else "end"),
    ]


def _percent(risk: Decimal, places: int) -> str:
    return f"{risk * 100:.{places}f}"


def _binned(by_day: Sequence[tuple[int, int, int]], *, size: int, last: int) -> list[tuple[int, int]]:
    bins = [[0, 0] for _ in range(-(-last // size))]
    for day, up, down in by_day:
        if day <= last:
            bins[(day - 1) // size][0] += up
            bins[(day - 1) // size][1] += down
    return [(up, down) for up, down in bins]


def _day_axis(across: _Across, last: int) -> list[str]:
    """Five or so round numbers of days."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200) if last / step <= 7 or step == 200)
    days = range(0, last + 1, step)
    return [_text(across.x(day), HEIGHT - 19, f"{day}", _AXIS) for day in days] + [
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5, "prop-firm days from now", _AXIS)
    ]


def _ends_said(chances: Chances, across: _Across, zero: float) -> list[str]:
    """The two directions in words, and the spread of the days to the target."""
    found = []
    reach = chances.share(End.PASS)
    if reach is not None:
        said = f"reach the target: {percent(reach.share)} %"
        found.append(_text(WIDTH - RIGHT, TOP + 8, said, f"{_SAID} {_HALO}", "end"))
    stopped = sum(one.share for one in chances.outcomes if one.end in (End.LOCK, End.DAILY, End.TOTAL))
    low = min(zero + 18, HEIGHT - BOTTOM - 4)
    words = f"are stopped: {percent(stopped)} %"
    found.append(_text(WIDTH - RIGHT, low, words, f"{_SAID} {_HALO}", "end"))
    if chances.to_pass is not None:
        spread = chances.to_pass
        x1, x, x2 = (across.x(min(day, 1e9)) for day in (spread.low, spread.median, spread.high))
        found.append(_line(x1, zero, x2, zero, "var(--ink)", 'stroke-width="2"'))
        found.append(f'<circle cx="{x:.1f}" cy="{zero:.1f}" r="3.5" fill="var(--ink)"/>')
    return found


def _ends_sentence(chances: Chances) -> str:
    shares = ", ".join(f"{one.words.lower()} {estimate(one)}" for one in chances.outcomes)
    if chances.to_pass is None:
        return f"How the paths end: {shares}."
    days = chances.to_pass
    return (
        f"How the paths end: {shares}. Those that pass need {days.median} days, one in ten {days.low} or"
        f" fewer, one in ten {days.high} or more."
    )
