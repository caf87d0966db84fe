"""The scan: every slot one result, whoever asks and whatever breaks in between."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal as D

import pytest

from tests.candles import MINUTE_MS
from tests.services import worlds
from tests.services.worlds import MINUTE, NOW, Scripted, World, minutes_from, second_account, store
from trading.core.types import Mode, Side, Tier, TradingState, ms_from_utc
from trading.models import (
    Account,
    Event,
    Market,
    OrderIntent,
    Outcome,
    Scan,
    Signal,
    StrategySwitch,
)
from trading.services import kill_switch, scan
from trading.services.desk import Desk

pytestmark = pytest.mark.django_db

Strategies = Callable[..., Scripted]


def slots(**where: object) -> list[int]:
    """The judged slots in minutes since NOW, in the order in which they were stored."""
    found = Scan.objects.filter(**where).order_by("pk").values_list("open_ms", flat=True)
    return [(opened - ms_from_utc(NOW)) // MINUTE_MS for opened in found]


def run(world: World, *, now: datetime, market: Market | None = None) -> list[int]:
    """The desk looks at the account, then the market is scanned; ids of the signals."""
    Desk("one").tick(now=now)
    return list(scan.run(market_id=(market or world.market).pk, now=now).signals)


def quiet_minutes(world: World, count: int, *, first: int = 0, market: Market | None = None) -> None:
    store(market or world.market, [100.0] * count, start=NOW + first * MINUTE)


def at(minutes: float) -> datetime:
    return NOW + minutes * MINUTE


# -- one result a slot ------------------------------------------------------------------------


def test_every_candle_leaves_its_reason(world: World, make_strategy: Strategies) -> None:
    make_strategy(warm_up=3)
    quiet_minutes(world, 6)
    run(world, now=at(6))
    found = Scan.objects.order_by("open_ms").values_list("reason", "note")
    assert list(found) == [
        ("warming_up", "1 of 3 bars"),
        ("warming_up", "2 of 3 bars"),
        *[("inside_range", "nothing to say")] * 4,
    ]


def test_a_second_run_changes_nothing(world: World, make_strategy: Strategies) -> None:
    strategy = make_strategy(sides={ms_from_utc(at(4)): Side.LONG})
    quiet_minutes(world, 5)
    first = run(world, now=at(5))
    before = (Scan.objects.count(), Event.objects.count(), len(strategy.asked))
    assert run(world, now=at(5.2)) == []
    assert (Scan.objects.count(), Event.objects.count(), len(strategy.asked)) == (
        before[0],
        before[1] + 1,  # the intent was placed by the desk
        before[2],
    )
    assert len(first) == Signal.objects.count() == OrderIntent.objects.count() == Outcome.objects.count() == 1


def test_what_was_not_asked_is_not_due(world: World, make_strategy: Strategies) -> None:
    strategy = make_strategy(stride_minutes=5)
    quiet_minutes(world, 10)
    run(world, now=at(10))
    assert strategy.asked == [ms_from_utc(at(4)), ms_from_utc(at(9))]
    assert [s.reason for s in Scan.objects.order_by("open_ms")].count("not_due") == 8


def test_longer_bars_are_judged_when_they_are_whole(world: World, make_strategy: Strategies) -> None:
    strategy = make_strategy(timeframe="5m")
    for minute in range(1, 13):
        quiet_minutes(world, 1, first=minute - 1)
        run(world, now=at(minute))
    assert strategy.asked == [ms_from_utc(NOW), ms_from_utc(at(5))]
    assert slots() == [0, 5]


def test_absent_minutes_occupy_no_slot(world: World, make_strategy: Strategies) -> None:
    make_strategy()
    store(world.market, [100.0, None, None, 100.0], start=NOW)
    run(world, now=at(4))
    assert slots() == [0, 3]


def test_after_an_absence_the_oldest_comes_first(world: World, make_strategy: Strategies) -> None:
    strategy = make_strategy()
    quiet_minutes(world, 1)
    run(world, now=at(1))
    quiet_minutes(world, 700, first=1)
    run(world, now=at(701))
    assert strategy.asked == minutes_from(NOW, 701)
    assert slots() == list(range(701))


def test_a_backlog_beyond_one_run_is_made_up_in_order(
    world: World, make_strategy: Strategies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MOST_BARS", 40)
    strategy = make_strategy(warm_up=3)
    quiet_minutes(world, 10)
    run(world, now=at(10))
    quiet_minutes(world, 100, first=10)
    for _ in range(3):
        run(world, now=at(110))
    assert strategy.asked == minutes_from(at(2), 108)
    assert slots() == list(range(110))


def test_a_gap_longer_than_a_run_does_not_end_the_scanning(
    world: World, make_strategy: Strategies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MOST_BARS", 40)
    make_strategy(warm_up=3)
    quiet_minutes(world, 5)
    run(world, now=at(5))
    store(world.market, [None] * 200, start=at(5))
    quiet_minutes(world, 2, first=205)
    run(world, now=at(207))
    assert slots() == [0, 1, 2, 3, 4, 205, 206]


def test_newcomers_do_not_judge_history(world: World, make_strategy: Strategies) -> None:
    make_strategy()
    store(world.market, [100.0] * 600, start=NOW - 600 * MINUTE)
    quiet_minutes(world, 600)
    run(world, now=at(600))
    assert min(slots()) == 540, "an account that was never scanned begins with the last hour"
    newcomer = second_account(world.account, created_at=at(600))
    make_strategy(name="late")
    quiet_minutes(world, 2, first=600)
    run(world, now=at(602))
    assert slots(account=newcomer, strategy="scripted") == [599, 600, 601]
    assert min(slots(account=world.account, strategy="late")) == 542


def test_a_new_account_judges_the_candle_that_has_just_closed_and_none_before_it(
    world: World, make_strategy: Strategies
) -> None:
    make_strategy()
    store(world.market, [100.0, 100.0, 100.0], start=NOW - 3 * MINUTE)
    run(world, now=NOW)
    assert slots() == [-1]


def test_a_candle_that_comes_late_is_judged_late_and_never_traded(
    world: World, make_strategy: Strategies
) -> None:
    make_strategy(sides={ms_from_utc(at(3)): Side.LONG})
    quiet_minutes(world, 3)
    quiet_minutes(world, 2, first=4)
    run(world, now=at(6))
    assert slots() == [0, 1, 2, 4, 5]
    quiet_minutes(world, 1, first=3)
    quiet_minutes(world, 1, first=6)
    run(world, now=at(7))
    assert slots() == [0, 1, 2, 4, 5, 3, 6]
    late = Signal.objects.get()
    assert late.codes == ["stale"]
    assert not OrderIntent.objects.exists()
    run(world, now=at(7))
    assert Scan.objects.count() == 7


# -- crashes ----------------------------------------------------------------------------------


class Died(BaseException):
    """A process that ends here."""


@pytest.mark.parametrize("function", ["_store", "_intent", "_tell", "_decide", "_draft"])
@pytest.mark.parametrize("which", [1, 2])
def test_a_crash_anywhere_in_a_signal_leaves_no_slot_out_and_none_twice(
    world: World, make_strategy: Strategies, monkeypatch: pytest.MonkeyPatch, function: str, which: int
) -> None:
    speaks = {ms_from_utc(at(minute)): Side.LONG for minute in (3, 9)}
    make_strategy(sides=speaks)
    quiet_minutes(world, 10)
    Desk("one").tick(now=at(10))
    right = getattr(scan, function)
    calls: list[int] = []

    def dies(*given: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == which:
            raise Died
        return right(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(scan, function, dies)
        if function == "_intent" and which == 2:
            calls.append(1)  # only the young one of the two becomes an intent
        with pytest.raises(Died):
            scan.run(market_id=world.market.pk, now=at(10))
    assert slots() == sorted(slots())
    scan.run(market_id=world.market.pk, now=at(10.05))
    assert slots() == list(range(10))
    assert (
        Signal.objects.count() == Outcome.objects.count() == Scan.objects.filter(reason="signal").count() == 2
    )
    assert Scan.objects.filter(reason="signal", signal=None).count() == 0
    assert OrderIntent.objects.count() == 1


def test_a_crash_between_the_signal_and_the_reasons_after_it(
    world: World, make_strategy: Strategies, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_strategy(sides={ms_from_utc(at(3)): Side.LONG})
    quiet_minutes(world, 6)
    right = scan._signal

    def dies(*given: object, **named: object) -> object:
        right(*given, **named)
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(scan, "_signal", dies)
        with pytest.raises(Died):
            run(world, now=at(6))
    assert slots() == [0, 1, 2, 3]
    run(world, now=at(6))
    assert slots() == [0, 1, 2, 3, 4, 5]


def test_a_strategy_that_breaks_loses_its_candle_only(world: World, make_strategy: Strategies) -> None:
    make_strategy(failing=frozenset(minutes_from(at(2), 1)))
    other = make_strategy(name="other")
    quiet_minutes(world, 5)
    run(world, now=at(5))
    assert slots(strategy="scripted") == slots(strategy="other") == list(range(5))
    assert Scan.objects.get(reason="strategy_error").note == "ZeroDivisionError: told to fail"
    assert len(other.asked) == 5


def test_a_market_that_breaks_does_not_keep_the_others_waiting(
    wide_world: World, make_strategy: Strategies, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_strategy()
    first, *others = wide_world.markets.values()
    for market in wide_world.markets.values():
        quiet_minutes(wide_world, 2, market=market)
    right = scan.run

    def broken(*, market_id: int, now: datetime) -> scan.Scanned:
        if market_id == first.pk:
            raise ZeroDivisionError
        return right(market_id=market_id, now=now)

    monkeypatch.setattr(scan, "run", broken)
    with pytest.raises(ExceptionGroup) as raised:
        scan.run_all(now=at(2))
    assert [type(error) for error in raised.value.exceptions] == [ZeroDivisionError]
    assert {s.market_id for s in Scan.objects.all()} == {market.pk for market in others}
    assert Event.objects.get(kind="scan_failed").market == first


def test_markets_that_are_switched_off_are_not_judged(wide_world: World, make_strategy: Strategies) -> None:
    make_strategy()
    for market in wide_world.markets.values():
        quiet_minutes(wide_world, 2, market=market)
    off, *_ = wide_world.markets.values()
    Market.objects.filter(pk=off.pk).update(enabled=False)
    assert scan.run_all(now=at(2)) == 2 * 11
    assert not Scan.objects.filter(market=off).exists()


# -- who is asked -----------------------------------------------------------------------------


def test_a_strategy_that_is_off_is_not_asked(world: World, make_strategy: Strategies) -> None:
    strategy = make_strategy()
    StrategySwitch.objects.update(enabled=False)
    quiet_minutes(world, 3)
    run(world, now=at(3))
    assert strategy.asked == []
    assert not Scan.objects.exists()


def test_a_switch_without_a_strategy_is_passed_over(world: World, make_strategy: Strategies) -> None:
    make_strategy()
    worlds.switch_on("gone")
    quiet_minutes(world, 2)
    run(world, now=at(2))
    assert slots() == [0, 1]


def test_two_accounts_have_their_own_results(world: World, make_strategy: Strategies) -> None:
    make_strategy(sides={ms_from_utc(at(1)): Side.SHORT})
    watcher = second_account(world.account, mode=Mode.OBSERVE)
    foreign = second_account(world.account, name="Foreign", source="coinbase")
    quiet_minutes(world, 2)
    assert len(run(world, now=at(2))) == 2
    assert slots(account=world.account) == slots(account=watcher) == [0, 1]
    assert slots(account=foreign) == []
    traded, watched = Signal.objects.get(account=world.account), Signal.objects.get(account=watcher)
    assert (traded.approved, watched.approved, watched.codes) == (True, False, ["observe_only"])
    assert OrderIntent.objects.get().account == world.account
    assert Outcome.objects.count() == 2


# -- what a signal is -------------------------------------------------------------------------


def test_a_signal_says_everything(world: World, make_strategy: Strategies) -> None:
    make_strategy(sides={ms_from_utc(at(1)): Side.LONG})
    store(world.market, [100.0, (100, 101, 99, 100.004)], start=NOW)
    (signal_id,) = run(world, now=at(2.5))
    signal = Signal.objects.get(pk=signal_id)
    assert (signal.entry, signal.stop, signal.target) == (D("100.01"), D("98.01"), D("102.01"))
    assert (signal.closed_at, signal.judged_at) == (at(2), at(2.5))
    assert signal.expires_at == at(2) + timedelta(seconds=90)
    assert (signal.tier, signal.confidence, signal.confidence_n, signal.unproven) == (Tier.LOW, None, 0, True)
    assert (signal.approved, signal.codes, signal.lots) == (True, [], D("0.01"))
    assert all(check["passed"] for check in signal.checks)
    assert len(signal.checks) >= 15
    intent = OrderIntent.objects.get()
    assert (intent.lots, intent.risk, intent.expires_at) == (signal.lots, signal.risk, signal.expires_at)
    assert Outcome.objects.get().seen_to_ms == ms_from_utc(at(2))
    assert Scan.objects.get(reason="signal").signal == signal
    assert Event.objects.get(kind="signal_approved").data == {"signal": signal.pk, "codes": []}


def refusal(world: World, now: datetime, code: str) -> Signal:
    """The one new signal, refused with this code alone and without an intent."""
    before = OrderIntent.objects.count()
    (signal_id,) = run(world, now=now)
    signal = Signal.objects.get(pk=signal_id)
    assert (signal.approved, signal.codes, signal.lots) == (False, [code], 0)
    assert OrderIntent.objects.count() == before
    assert Event.objects.get(kind="signal_refused", data__signal=signal_id).data["codes"] == [code]
    return signal


@pytest.mark.parametrize(("late", "fresh"), [(0.5, True), (1.49, True), (1.5, False), (55.0, False)])
def test_a_stale_candle_never_becomes_an_intent(
    world: World, make_strategy: Strategies, late: float, fresh: bool
) -> None:
    make_strategy(sides={ms_from_utc(NOW): Side.LONG})
    quiet_minutes(world, 1)
    if fresh:
        run(world, now=at(1 + late))
        assert OrderIntent.objects.count() == 1
    else:
        refusal(world, at(1 + late), "stale")


def test_a_backlog_of_signals_makes_an_intent_of_the_newest_at_most(
    world: World, make_strategy: Strategies
) -> None:
    make_strategy(always=Side.LONG)
    quiet_minutes(world, 50)
    assert len(run(world, now=at(50.1))) == 50
    assert set(Signal.objects.filter(approved=False).values_list("codes__0", flat=True)) == {
        "stale",
        "cool_down",
    }
    (intent,) = OrderIntent.objects.select_related("signal")
    assert intent.signal.closed_at > at(48.6)


def test_a_gap_in_the_window_is_refused(world: World, make_strategy: Strategies) -> None:
    make_strategy(warm_up=5, sides={ms_from_utc(at(101)): Side.LONG})
    quiet_minutes(world, 60)
    store(world.market, [None] * 40, start=at(60))
    quiet_minutes(world, 2, first=100)
    refusal(world, at(102.1), "gap")


def test_a_gap_before_the_window_does_not_matter(world: World, make_strategy: Strategies) -> None:
    make_strategy(warm_up=2, sides={ms_from_utc(at(101)): Side.LONG})
    quiet_minutes(world, 60)
    store(world.market, [None] * 40, start=at(60))
    quiet_minutes(world, 2, first=100)
    (signal_id,) = run(world, now=at(102.1))
    assert Signal.objects.get(pk=signal_id).approved


def test_an_account_that_nobody_looks_after_gets_no_intent(world: World, make_strategy: Strategies) -> None:
    make_strategy(always=Side.LONG)
    quiet_minutes(world, 1)
    scan.run(market_id=world.market.pk, now=at(1.1))
    assert Signal.objects.get().codes == ["account_stale"]
    quiet_minutes(world, 1, first=1)
    Desk("one").tick(now=at(2))
    scan.run(market_id=world.market.pk, now=at(2.1))
    assert Signal.objects.latest("pk").codes == ["account_stale"], "seen 6 s ago, 5 s allowed"


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_under_the_kill_switch_eyes_stay_open(
    world: World, make_strategy: Strategies, state: TradingState
) -> None:
    make_strategy(always=Side.LONG)
    kill_switch.set_state(state, by="ada", reason="x", now=NOW)
    quiet_minutes(world, 1)
    refusal(world, at(1.1), "state")
    assert Outcome.objects.count() == 1


def test_invented_prices_are_labelled_everywhere(world: World, make_strategy: Strategies) -> None:
    Market.objects.update(synthetic=True)
    make_strategy(always=Side.LONG)
    quiet_minutes(world, 1)
    (signal_id,) = run(world, now=at(1.1))
    signal = Signal.objects.get(pk=signal_id)
    assert (signal.synthetic, signal.approved) == (True, True)
    event = Event.objects.get(kind="signal_approved")
    assert event.synthetic
    assert "SYNTHETIC" in event.text


def test_invented_prices_end_at_paper(world: World, make_strategy: Strategies) -> None:
    Market.objects.update(synthetic=True)
    Account.objects.update(mode=Mode.DEMO)
    make_strategy(always=Side.LONG)
    quiet_minutes(world, 1)
    refusal(world, at(1.1), "synthetic")


# -- rates ------------------------------------------------------------------------------------


def settle_all() -> None:
    """What was meant to be opened never was: only the rates are left to speak."""
    OrderIntent.objects.update(state="expired")


def speak(world: World, make_strategy: Strategies, count: int) -> list[list[str]]:
    """One signal in each of so many markets, a minute apart; the codes of each."""
    make_strategy(always=Side.LONG)
    codes = []
    for number, market in enumerate(list(world.markets.values())[:count]):
        quiet_minutes(world, 1, first=number, market=market)
        settle_all()
        Desk("one").tick(now=at(number + 1))
        (signal_id,) = scan.run(market_id=market.pk, now=at(number + 1)).signals
        codes.append(Signal.objects.get(pk=signal_id).codes)
    return codes


def test_ten_signals_an_hour(wide_world: World, make_strategy: Strategies) -> None:
    assert speak(wide_world, make_strategy, 12) == [[]] * 10 + [["rate_limit"]] * 2
    settle_all()
    market = list(wide_world.markets.values())[11]
    quiet_minutes(wide_world, 1, first=60, market=market)
    Desk("one").tick(now=at(61))
    (signal_id,) = scan.run(market_id=market.pk, now=at(61)).signals
    assert Signal.objects.get(pk=signal_id).approved, "the first of the ten is an hour old"


def test_five_high_signals_an_hour(
    wide_world: World, make_strategy: Strategies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "tier_of", lambda confidence, value: Tier.HIGH)
    assert speak(wide_world, make_strategy, 7) == [[]] * 5 + [["high_rate_limit"]] * 2


def test_a_market_cools_down(world: World, make_strategy: Strategies) -> None:
    make_strategy(always=Side.LONG)
    codes = {}
    for minute in range(1, 18):
        quiet_minutes(world, 1, first=minute - 1)
        settle_all()
        (signal_id,) = run(world, now=at(minute))
        codes[minute] = Signal.objects.get(pk=signal_id).codes
    assert codes == {minute: [] if minute in (1, 16) else ["cool_down"] for minute in range(1, 18)}


def test_an_occupied_market_is_a_duplicate(world: World, make_strategy: Strategies) -> None:
    make_strategy(sides={ms_from_utc(at(0)): Side.LONG, ms_from_utc(at(20)): Side.LONG})
    quiet_minutes(world, 1)
    run(world, now=at(1))
    Desk("one").tick(now=at(1.1))
    quiet_minutes(world, 19, first=1)
    run(world, now=at(20))
    quiet_minutes(world, 1, first=20)
    refusal(world, at(21), "duplicate")


def test_refused_signals_do_not_use_up_the_rate(world: World, make_strategy: Strategies) -> None:
    make_strategy(always=Side.LONG)
    kill_switch.set_state(TradingState.HALTED, by="ada", reason="x", now=NOW)
    for minute in range(1, 15):
        quiet_minutes(world, 1, first=minute - 1)
        refusal(world, at(minute), "state")
