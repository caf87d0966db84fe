"""The pictures of an account's futures: complete, readable without colour, and empty where nothing is known."""

import re
from dataclasses import replace
from decimal import Decimal as D
from xml.etree import ElementTree

import pytest

from crpbot_site.panel import drawings_pass
from trading.core.pass_paths import End
from trading.core.pass_probability import AtRisk, Chances, Sample, Share, Spread

CURVE = tuple(
    AtRisk(risk=D(risk), share=share, low=share - 0.2, high=share + 0.1, like_best=share > 0.6)
    for risk, share in (("0.001", 0.5), ("0.003", 0.8), ("0.005", 0.7), ("0.01", 0.3), ("0.02", 0.2))
)
KNOWN = Chances(
    sample=Sample.ENOUGH,
    sentence="Reaches the target.",
    trades=120,
    days=40,
    paths=1000,
    seed=1,
    horizon=365,
    lock=True,
    outcomes=(
        Share(end=End.PASS, share=0.7, low=0.5, high=0.8),
        Share(end=End.LOCK, share=0.2, low=0.1, high=0.3),
        Share(end=End.DAILY, share=0.05, low=0.0, high=0.1),
        Share(end=End.UNDECIDED, share=0.05, low=0.0, high=0.1),
    ),
    to_pass=Spread(median=40, low=20, high=90, median_low=30, median_high=60),
    present=D("0.005"),
    set_risk=D("0.005"),
    curve=CURVE,
    best_risk=D("0.003"),
    curve_sentence='From 0.30 to 0.50 % "alike" & more.',
    by_day=tuple((day, 700 if day == 40 else 0, 250 if day == 10 else 0) for day in range(1, 101)),
)
NOTHING = Chances(
    sample=Sample.TOO_FEW,
    sentence="Too few.",
    trades=3,
    days=2,
    paths=1000,
    seed=1,
    horizon=365,
    lock=True,
)


def parsed(svg: str) -> ElementTree.Element:
    """The picture as a tree; what is no XML does not parse."""
    return ElementTree.fromstring(svg)  # noqa: S314


def words(svg: str) -> list[str]:
    return [text.text or "" for text in parsed(svg).iter("text")]


@pytest.mark.parametrize("draw", [drawings_pass.risk_chart, drawings_pass.ends_chart])
def test_every_picture_has_a_sentence_and_uses_the_tokens_only(draw: object) -> None:
    svg = draw(KNOWN)  # type: ignore[operator]
    root = parsed(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert "style=" not in svg, "the page's policy forbids it"
    painted = set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg))
    # Colour means safety: a probability has none.
    allowed = {
        f"var(--{token})" for token in ["ink", "ink3", "accent", "mark", "line", "line2", "surface", "track"]
    }
    assert painted <= allowed | {"none", "url(#pass-hatch)"}
    assert draw(NOTHING) == ""  # type: ignore[operator]


def test_the_present_risk_and_the_highest_are_named_on_the_line() -> None:
    svg = drawings_pass.risk_chart(KNOWN)
    assert {"now 0.50 %", "highest 0.30 %"} <= set(words(svg))
    assert 'aria-label="P(pass) by risk a trade. From 0.30 to 0.50 % &quot;alike&quot; &amp; more."' in svg
    best = replace(KNOWN, best_risk=D("0.005"))
    assert not [word for word in words(drawings_pass.risk_chart(best)) if word.startswith("highest")]


def test_a_tiny_risk_is_not_written_as_none() -> None:
    tiny = (replace(CURVE[0], risk=D("0.000168")), *CURVE)
    found = words(drawings_pass.risk_chart(replace(KNOWN, curve=tiny, present=D("0.000168"))))
    assert "0.02" in found
    assert "0.0" not in found


def test_words_stay_inside_the_picture_wherever_the_present_risk_lies() -> None:
    for point in CURVE:
        svg = drawings_pass.risk_chart(replace(KNOWN, present=point.risk))
        for text in parsed(svg).iter("text"):
            x, long = float(text.get("x", "0")), 6.5 * len(text.text or "")
            left = {"start": x, "middle": x - long / 2, "end": x - long}[text.get("text-anchor", "start")]
            assert left > -6
            assert left + long < drawings_pass.WIDTH + 8, text.text


def test_the_band_holds_the_line() -> None:
    root = parsed(drawings_pass.risk_chart(KNOWN))
    band = root.find("polygon").get("points").split()  # type: ignore[union-attr]
    line = root.find("polyline").get("points").split()  # type: ignore[union-attr]
    upper, lower = band[: len(CURVE)], band[len(CURVE) :][::-1]
    for above, on, below in zip(upper, line, lower, strict=True):
        (x1, y1), (x2, y2), (x3, y3) = (map(float, point.split(",")) for point in (above, on, below))
        assert x1 == x2 == x3
        assert y1 < y2 < y3, "heights grow downwards"


def test_paths_that_pass_go_up_and_those_that_are_stopped_go_down() -> None:
    root = parsed(drawings_pass.ends_chart(KNOWN))
    bars = [rect for rect in root.findall("rect") if float(rect.get("height", "0")) > 0]
    assert len(bars) == 2, "one day each, in bins that hold it"
    up, down = sorted(bars, key=lambda rect: float(rect.get("y", "0")))
    assert down.get("fill") == "url(#pass-hatch)"
    ratio = float(up.get("height", "0")) / float(down.get("height", "0"))
    assert ratio == pytest.approx(700 / 250, abs=0.02)
    assert float(up.get("y", "0")) + float(up.get("height", "0")) == pytest.approx(
        float(down.get("y", "0")), abs=0.2
    )
    assert {"reach the target: 70 %", "are stopped: 25 %"} <= set(words(drawings_pass.ends_chart(KNOWN)))
    assert "one in ten 90 or more" in (root.get("aria-label") or "")


def test_a_phase_without_a_target_shows_only_who_is_stopped() -> None:
    stopped = replace(
        KNOWN,
        outcomes=KNOWN.outcomes[1:],
        to_pass=None,
        curve=(),
        best_risk=None,
        by_day=tuple((day, 0, 25) for day in range(1, 11)),
    )
    assert drawings_pass.risk_chart(stopped) == ""
    said = words(drawings_pass.ends_chart(stopped))
    assert not [word for word in said if word.startswith("reach")]
    nobody = replace(stopped, by_day=((1, 0, 0),))
    assert drawings_pass.ends_chart(nobody) == ""


@pytest.mark.parametrize(("share", "low", "high"), [(0, 0, 0.001), (0.5, 0.2, 0.9), (1, 1, 1)])
def test_whiskers_lie_within_their_row(share: float, low: float, high: float) -> None:
    svg = drawings_pass.interval(share, low, high)
    xs = [float(x) for x in re.findall(r'(?:x1|x2|cx)="([\d.]+)"', svg)]
    assert all(4 <= x <= 116 for x in xs)
    assert "between" in (parsed(svg).get("aria-label") or "")
