"""What an account's rows say of its way, and which of them its futures are drawn from."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D

import pytest

from tests.services import pasts
from tests.services.worlds import NOW, World
from trading.core.own_trades import Booking
from trading.core.pass_probability import Sample
from trading.core.types import Breach
from trading.models import Account, AccountPeriod, AccountRisk, ProgrammeVersion
from trading.selectors import progress
from trading.services import life

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_an_account_that_never_traded_has_a_way_to_go_and_too_few_trades(world: World) -> None:
    done = progress.progress_of(world.account, now=NOW + HOUR)
    assert (done.balance, done.target, done.missing) == (D(100000), D(110000), D("10000.01"))
    assert (done.trading_days, done.trading_days_needed, done.best) == (0, 4, None)
    found = progress.chances_of(world.account, now=NOW + HOUR)
    assert found.sample is Sample.TOO_FEW
    assert not found.outcomes


def test_closed_results_go_to_the_prague_day_of_their_deals(world: World) -> None:
    late = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    pasts.trade(world.account, world.market, opened_at=late, hours=1, net="493.50")
    done = progress.progress_of(world.account, now=NOW + DAY)
    # Opened on the second with 3.25 of costs, closed after midnight in Prague.
    assert done.days == ((date(2026, 3, 2), D("-3.25")), (date(2026, 3, 3), D("496.75")))
    assert done.balance == D("100493.50")
    assert (done.trading_days, done.open_positions) == (1, 0)
    assert done.best is not None
    assert (done.best.day, done.best.result) == (date(2026, 3, 3), D("496.75"))


def test_the_balance_is_the_newest_days_with_every_deal_since(world: World) -> None:
    pasts.trade(world.account, world.market, opened_at=NOW, net="1000")
    pasts.day(world.account, at=NOW, balance="100000")
    # Money that was paid in moved the day's balance, and no deal of a trade says so.
    pasts.day(world.account, at=NOW + DAY, balance="105000", peak="105000")
    pasts.trade(world.account, world.market, opened_at=NOW + DAY, net="-200")
    now = NOW + DAY + 3 * HOUR
    assert progress.progress_of(world.account, now=now).balance == D(104800)
    standing = progress.history_of(world.account, now=now).standing
    assert (standing.balance, standing.peak_balance) == (D(104800), D(105000))


def test_a_day_that_is_not_proven_leaves_the_balance_unknown(world: World) -> None:
    pasts.day(world.account, at=NOW, balance="100000", proven=False)
    for ask in (progress.progress_of, progress.history_of, progress.chances_of):
        with pytest.raises(ValueError, match="not proven"):
            ask(world.account, now=NOW + HOUR)


def test_an_account_without_an_open_period_cannot_be_read(world: World) -> None:
    AccountPeriod.objects.filter(account=world.account).update(ended_at=NOW)
    with pytest.raises(ValueError, match="no open period"):
        progress.progress_of(world.account, now=NOW + HOUR)


def test_only_the_open_periods_trades_count(world: World) -> None:
    pasts.trade(world.account, world.market, opened_at=NOW, net="9000")
    later = NOW + DAY
    life.begin_period(world.account, began_by="reset", opening_balance=D(100000), now=later)
    pasts.trade(world.account, world.market, opened_at=later + HOUR, net="-70")
    done = progress.progress_of(world.account, now=later + 4 * HOUR)
    assert (done.balance, done.trading_days, done.best) == (D(99930), 1, None)
    past = progress.history_of(world.account, now=later + 4 * HOUR)
    assert [one.net for one in past.trades] == [D(-70)]
    assert past.first == date(2026, 3, 3)


def test_an_open_trade_counts_as_lost_at_its_stop(world: World) -> None:
    pasts.trade(world.account, world.market, opened_at=NOW, net="100")
    pasts.trade(world.account, world.market, opened_at=NOW + HOUR, net=None)
    now = NOW + 4 * HOUR
    past = progress.history_of(world.account, now=now)
    # 100,100 less 500 at the stop, of which 3.25 is booked.
    assert progress.progress_of(world.account, now=now).balance == D("100096.75")
    assert past.standing.balance == D("99600.00")
    assert len(past.trades) == 1
    assert past.standing.trading_days == 1
    pasts.trade(world.account, world.market, opened_at=NOW + 2 * HOUR, net=None, risk=D(0))
    with pytest.raises(ValueError, match="nobody knows what it can lose"):
        progress.history_of(world.account, now=now)


def test_a_trade_is_read_with_its_risk_its_target_and_its_deals(world: World) -> None:
    row = pasts.trade(world.account, world.market, opened_at=NOW, net="-506.50")
    past = progress.history_of(world.account, now=NOW + DAY)
    (one,) = past.trades
    assert (one.net, one.risk, one.depth, one.upside) == (D("-506.50"), D(500), D("506.50"), D(800))
    assert [deal.amount for deal in one.bookings] == [D("-3.25"), D("-503.25")]
    # A swap that the row knows and no deal says counts at the end.
    row.swap = D("-7")
    row.contract_size = None
    late = progress.own_trade(row, one.bookings)
    assert (late.net, late.upside) == (D("-513.50"), None)
    assert late.bookings[-1] == Booking(at=row.closed_at, amount=D(-7))


def test_days_are_counted_to_yesterday_or_to_the_newest_close(world: World) -> None:
    pasts.trade(world.account, world.market, opened_at=NOW, net="100")
    today = progress.history_of(world.account, now=NOW + 3 * HOUR)
    assert (today.first, today.last) == (date(2026, 3, 2), date(2026, 3, 2))
    later = progress.history_of(world.account, now=NOW + 5 * DAY)
    assert later.last == date(2026, 3, 6), "quiet days are days"
    pasts.day(world.account, at=NOW + 2 * DAY, balance="100100")
    asleep = progress.history_of(world.account, now=NOW + 50 * DAY)
    assert asleep.last == date(2026, 3, 3), "days on which nobody looked are none of the account's"
    assert progress.progress_of(world.account, now=NOW + 50 * DAY).pace.days == 2


def test_a_trailing_programme_needs_the_peak_that_it_trails(world: World) -> None:
    ProgrammeVersion.objects.filter(pk=world.account.programme_id).update(total_loss_mode="trailing_intraday")
    account = Account.objects.select_related("programme__profile").get(pk=world.account.pk)
    AccountRisk.objects.filter(account=account).update(peak_equity=D(103000))
    assert progress.history_of(account, now=NOW + HOUR).standing.peak_equity == D(103000)
    AccountRisk.objects.filter(account=account).update(peak_equity=None)
    with pytest.raises(ValueError, match="highest equity"):
        progress.history_of(account, now=NOW + HOUR)


def test_the_chances_are_of_own_trades_and_remembered_until_one_closes(world: World) -> None:
    pasts.past(world.account, world.market, since=NOW, days=15)
    now = NOW + 15 * DAY
    before = progress._remembered.cache_info()
    first = progress.chances_of(world.account, now=now, paths=1000)
    again = progress.chances_of(world.account, now=now + HOUR, paths=1000)
    after = progress._remembered.cache_info()
    assert first is again
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 1)
    assert (first.trades, first.days, first.sample) == (45, 15, Sample.THIN)
    assert first.present == D("0.005")
    pasts.trade(world.account, world.market, opened_at=now + HOUR, net="-500")
    assert progress.chances_of(world.account, now=now + 4 * HOUR, paths=1000).trades == 46


def test_a_breach_has_answered_already(world: World) -> None:
    pasts.past(world.account, world.market, since=NOW, days=12)
    AccountRisk.objects.filter(account=world.account).update(breach=Breach.TOTAL)
    found = progress.chances_of(world.account, now=NOW + 12 * DAY)
    assert (found.sample, found.outcomes) == (Sample.ENDED, ())


def test_objectives_that_are_met_leave_nothing_to_draw(world: World) -> None:
    for number, net in enumerate(("9000", "1000", "100", "1")):
        pasts.trade(world.account, world.market, opened_at=NOW + number * DAY, net=net)
        found = progress.chances_of(world.account, now=NOW + number * DAY + 3 * HOUR)
        assert found.sample is (Sample.ENDED if number == 3 else Sample.TOO_FEW)


def test_the_owners_ceilings_count(world: World, environment: object) -> None:
    assert progress.history_of(world.account, now=NOW + HOUR).programme.daily_loss == D("0.05")
    environment(max_daily_loss=D("0.02"))  # type: ignore[operator]
    assert progress.history_of(world.account, now=NOW + HOUR).programme.daily_loss == D("0.02")


def test_it_costs_few_statements(world: World, django_assert_max_num_queries: object) -> None:
    pasts.past(world.account, world.market, since=NOW, days=3)
    account = Account.objects.select_related("programme__profile").get(pk=world.account.pk)
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        progress.history_of(account, now=NOW + 3 * DAY)
