"""An account's life: what a step does to floors and history, who may ask, what stands against it, and only once."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.candles import make_candles
from tests.services.lives import NOW, SAID, Desk, asked, free_of_costs, under
from tests.services.worlds import MINUTE, World, make_intent, make_superuser, second_account
from trading.core.types import Breach, Level, TradingState, ms_from_utc
from trading.models import (
    Account,
    AccountDay,
    AccountPeriod,
    AccountRisk,
    BalanceOperation,
    DeskStatus,
    Event,
    Fill,
    LifeAction,
    LifeKind,
    LifeState,
    PaperEntry,
    RiskSnapshot,
)
from trading.selectors import risk as reads
from trading.services import kill_switch, life, risk
from trading.services.life import LifeRefused

pytestmark = pytest.mark.django_db

LATER = NOW + 9 * MINUTE
Lives = Callable[..., Desk]


@pytest.fixture
def ada(db: None) -> User:
    return make_superuser()


@pytest.fixture
def live(world: World) -> Lives:
    """An account under a programme that has earned something since noon; its desk."""
    free_of_costs()

    def build(programme: str = "generic", *, earned: str = "2000", **changes: Any) -> Desk:
        desk = Desk(under(world.account, programme, **changes))
        desk.attend(NOW)
        if D(earned):
            desk.earn(D(earned), NOW + MINUTE)
        return desk

    return build


def floors(account_id: int, *, now: Any = LATER) -> tuple[D, D, D]:
    """Balance, daily and total floor as everybody reads them."""
    found = reads.headroom_now(account_id, now=now)
    assert found is not None
    return found.balance, found.room.daily_floor, found.room.total_floor


def action(number: int) -> LifeAction:
    return LifeAction.objects.get(pk=number)


# -- what each step does ----------------------------------------------------------------------


def test_a_payout_is_no_loss_of_the_day(live: Lives, ada: User) -> None:
    desk = live(earned="2000")
    number = asked(desk.account, ada, "payout", now=LATER, amount=D("1500.50"))
    assert desk.attend(LATER) == number
    assert floors(desk.account_id) == (D("100499.50"), D("93499.50"), D(90_000))
    assert desk.venue.view(now=LATER).balance == D("100499.50")
    old, new = AccountPeriod.objects.order_by("pk")
    assert (old.ended_at, old.closing_balance) == (LATER, D(102_000))
    assert (new.began_by, new.began_at, new.opening_balance, new.initial_balance) == (
        "payout",
        LATER,
        D("100499.50"),
        D(100_000),
    )
    operation = BalanceOperation.objects.get()
    assert (operation.amount, operation.action_id, operation.period_id) == (D("-1500.50"), number, new.pk)
    assert [d.balance for d in AccountDay.objects.order_by("pk")] == [D(100_000), D("98499.50")]
    event = Event.objects.get(kind="life_done")
    assert event.by == "ada"
    assert event.data["before"]["balance"] == "102000.00"
    assert event.data["after"]["daily_floor"] == "93499.50"


def test_the_day_after_a_payout_follows_from_it(live: Lives, ada: User) -> None:
    desk = live(earned="2000")
    asked(desk.account, ada, "payout", now=LATER, amount=D(500))
    desk.attend(LATER)
    desk.earn(D("-40.40"), LATER + MINUTE)
    tomorrow = NOW + timedelta(days=1, hours=3)
    desk.attend(tomorrow)
    last = AccountDay.objects.order_by("pk").last()
    assert last is not None
    assert (last.balance, last.how, last.proven) == (D("101459.60"), "reconstructed", True)


@pytest.mark.parametrize(
    ("mode", "peak", "total"),
    [
        # FTMO 1-Step: the trail begins anew with a reward. No other firm is known to give a trail back.
        ("trailing_end_of_day", D(100_000), D(90_000)),
        ("trailing_locked", D(106_000), D(96_000)),
        ("trailing_intraday", D(106_000), D(96_000)),
        ("static", D(106_000), D(90_000)),
    ],
)
def test_what_a_payout_does_to_a_trail(live: Lives, ada: User, mode: str, peak: D, total: D) -> None:
    desk = live(earned="6000", total_loss_mode=mode)
    AccountRisk.objects.update(peak_equity=D(106_000))
    tomorrow = NOW + timedelta(days=1)
    desk.attend(tomorrow)
    assert AccountDay.objects.latest("pk").peak_balance == D(106_000)
    asked(desk.account, ada, "payout", now=tomorrow, amount=D(6000))
    desk.attend(tomorrow + MINUTE)
    assert (AccountDay.objects.latest("pk").peak_balance, AccountRisk.objects.get().peak_equity) == (
        peak,
        peak,
    )
    assert floors(desk.account_id, now=tomorrow + MINUTE)[2] == total


def test_a_deposit_lifts_the_day_and_the_peaks(live: Lives, ada: User) -> None:
    desk = live(earned="3000", total_loss_mode="trailing_end_of_day")
    desk.attend(NOW + timedelta(days=1))
    asked(desk.account, ada, "deposit", now=NOW + timedelta(days=1), amount=D("700.25"))
    desk.attend(NOW + timedelta(days=1, minutes=1))
    day = AccountDay.objects.latest("pk")
    assert (day.balance, day.peak_balance, day.equity) == (D("103700.25"), D("103700.25"), D("103700.25"))
    assert floors(desk.account_id, now=NOW + timedelta(days=1, minutes=1)) == (
        D("103700.25"),
        D("98700.25"),
        D("93700.25"),
    )


def test_a_deposit_may_bring_a_new_initial_balance(live: Lives, ada: User) -> None:
    desk = live(earned="0")
    asked(desk.account, ada, "deposit", now=LATER, amount=D(50_000), initial=D(150_000))
    desk.attend(LATER)
    assert floors(desk.account_id) == (D(150_000), D("142500.00"), D("135000.00"))
    assert Account.objects.get(pk=desk.account_id).initial_balance == D(150_000)


def test_the_next_phase_begins_with_the_initial_balance(live: Lives, ada: User) -> None:
    desk = live("ftmo-2-step-challenge", earned="10500")
    asked(desk.account, ada, "phase_up", now=LATER, number="2002")
    desk.attend(LATER)
    account = Account.objects.select_related("programme__profile").get(pk=desk.account_id)
    assert (account.number, account.programme.profile.name) == ("2002", "ftmo-2-step-verification")
    assert desk.account.number == desk.venue.number == desk.venue.view(now=LATER).number == "2002"
    assert floors(desk.account_id) == (D(100_000), D(95_000), D(90_000))
    first, second = AccountPeriod.objects.order_by("pk")
    assert (first.number, first.closing_balance, first.programme.profile.name) == (
        "paper-replay",
        D(110_500),
        "ftmo-2-step-challenge",
    )
    assert (second.number, second.began_by) == ("2002", "phase_up")
    day = AccountDay.objects.get(period=second)
    assert (day.how, day.balance, day.peak_balance, day.proven) == ("first_day", D(100_000), D(100_000), True)
    desk.sit()
    assert desk.venue.view(now=LATER).balance == D(100_000)
    desk.attend(LATER + MINUTE)
    assert AccountDay.objects.filter(period=second).count() == 1


def test_a_new_login_may_bring_another_size_and_programme(live: Lives, ada: User) -> None:
    desk = live("ftmo-2-step-challenge", earned="-4000")
    asked(
        desk.account,
        ada,
        "new_login",
        now=LATER,
        number="77",
        initial=D(50_000),
        programme="ftmo-1-step-challenge",
    )
    desk.attend(LATER)
    assert floors(desk.account_id) == (D(50_000), D(48_500), D(45_000))
    desk.sit()
    assert (desk.venue.number, desk.venue.view(now=LATER).balance) == ("77", D(50_000))
    desk.earn(D(12), LATER + MINUTE)
    desk.attend(NOW + timedelta(days=1))
    day = AccountDay.objects.latest("pk")
    assert (day.balance, day.proven, day.how) == (D(50_012), True, "reconstructed")


def test_a_step_without_money_books_none(live: Lives, ada: User) -> None:
    desk = live(earned="0")
    asked(desk.account, ada, "reset", now=LATER)
    desk.attend(LATER)
    assert LifeAction.objects.get().state == LifeState.DONE
    assert not BalanceOperation.objects.exists()
    assert AccountPeriod.objects.count() == 2


# -- what is latched --------------------------------------------------------------------------


def latch(account_id: int) -> None:
    AccountRisk.objects.filter(account_id=account_id).update(
        level=Level.LOCKED, daily_locked_on=NOW.date(), total_locked_at=NOW, midnight_warned_on=NOW.date()
    )


@pytest.mark.parametrize("kind", ["reset", "new_login", "phase_up"])
def test_a_new_beginning_ends_locks_and_breach_but_loosens_no_switch(
    live: Lives, ada: User, kind: str
) -> None:
    desk = live("ftmo-2-step-verification", earned="-11000")
    latch(desk.account_id)
    AccountRisk.objects.update(breach=Breach.TOTAL, breached_at=NOW, level=Level.BREACH)
    kill_switch.set_state(
        TradingState.HALTED, by="risk", reason="BREACH", now=NOW, account_id=desk.account_id
    )
    asked(desk.account, ada, kind, now=LATER, **SAID[kind])
    desk.attend(LATER)
    row = AccountRisk.objects.get()
    assert (row.level, row.daily_locked_on, row.total_locked_at, row.breach, row.breached_at) == (
        Level.GREEN,
        None,
        None,
        "",
        None,
    )
    assert row.peak_equity == SAID[kind].get("initial", D(100_000))
    assert kill_switch.effective(desk.account_id).state is TradingState.HALTED


@pytest.mark.parametrize("kind", ["payout", "deposit"])
def test_money_ends_no_lock(live: Lives, ada: User, kind: str) -> None:
    desk = live(earned="2000")
    latch(desk.account_id)
    asked(desk.account, ada, kind, now=LATER, **SAID[kind])
    desk.attend(LATER)
    row = AccountRisk.objects.get()
    assert (row.level, row.daily_locked_on, row.total_locked_at) == (Level.LOCKED, NOW.date(), NOW)


@pytest.mark.parametrize("kind", ["payout", "deposit"])
def test_a_broken_account_takes_and_gives_no_money(live: Lives, ada: User, kind: str) -> None:
    desk = live(earned="2000")
    AccountRisk.objects.update(breach=Breach.DAILY)
    with pytest.raises(LifeRefused, match="broke its daily limit"):
        asked(desk.account, ada, kind, now=LATER, **SAID[kind])


def test_whoever_looks_in_between_sees_no_loss(live: Lives, ada: User) -> None:
    """The hourly snapshot reads what the desk wrote last; a payout must not look like a breach there."""
    desk = live(earned="0")
    asked(desk.account, ada, "deposit", now=LATER, amount=D(50_000))
    desk.attend(LATER)
    assert len(risk.snapshot_all(now=LATER, trigger="hourly")) == 1
    row = RiskSnapshot.objects.latest("pk")
    assert (row.level, row.balance, row.daily_floor) == (Level.GREEN, D(150_000), D(145_000))
    assert kill_switch.effective(desk.account_id).state is TradingState.ACTIVE


# -- who may ask, and what stands against it --------------------------------------------------


def test_everything_that_is_missing_is_said_at_once(live: Lives, world: World) -> None:
    desk = live("ftmo-2-step-challenge")
    nobody = User.objects.create(username="bob", is_staff=True)
    with pytest.raises(LifeRefused) as refused:
        life.ask(
            account_id=desk.account_id,
            kind="payout",
            by_user_id=nobody.pk,
            reason="  ",
            phrase="payout",
            now=LATER,
            amount=D("0.001"),
            number="5",
        )
    assert refused.value.missing == (
        "A superuser must ask for it.",
        "A reason is needed; it goes into the record.",
        "The words PAYOUT must be typed.",
        "A payout takes no number.",
        "The amount must be in whole cents.",
        "Payouts are made on a funded account; Paper is in phase challenge.",
    )
    assert not LifeAction.objects.exists()


@pytest.mark.parametrize(
    ("kind", "said", "sentence"),
    [
        ("payout", {}, "The amount must be a sum of money."),
        ("payout", {"amount": D("NaN")}, "The amount must be a sum of money."),
        ("payout", {"amount": D("Infinity")}, "The amount must be a sum of money."),
        ("payout", {"amount": D(0)}, "The amount must be above 0."),
        ("payout", {"amount": D(-5)}, "The amount must be above 0."),
        ("deposit", {"amount": D(10) ** 12}, "The amount is more than any account holds."),
        ("deposit", {"amount": D(5), "initial": D("0.005")}, "The initial balance must be in whole cents."),
        ("deposit", {"amount": D("NaN"), "initial": D(100_001)}, "The amount must be a sum of money."),
        ("deposit", {"amount": D(5), "initial": D("NaN")}, "The initial balance must be a sum of money."),
        ("deposit", {"amount": D(5), "initial": D("99999.99")}, "lies between 100000.00 and 100005"),
        ("deposit", {"amount": D(5), "initial": D("100005.01")}, "lies between 100000.00 and 100005"),
        ("payout", {"amount": D(102_000)}, "less than that can be paid out"),
        ("payout", {"amount": D(10_000)}, "80 % of the total limit would be used"),
        ("payout", {"amount": D(5), "initial": D(5)}, "A payout takes no initial."),
        ("deposit", {"amount": D(5), "programme": "generic"}, "A deposit takes no programme."),
        ("reset", {"amount": D(5)}, "A reset takes no amount."),
        ("reset", {"number": "5"}, "A reset takes no number."),
        ("reset", {"initial": D(0)}, "The initial balance must be above 0."),
        ("reset", {"programme": "no-such"}, "There is no programme 'no-such'"),
        ("new_login", {}, "A new login needs its number."),
        ("new_login", {"number": "paper-replay"}, "is the login that Paper has"),
        ("new_login", {"number": "second"}, "is the login of Second"),
        ("new_login", {"number": "x" * 41}, "at most 40 printable characters"),
        ("new_login", {"number": "a\x00b"}, "at most 40 printable characters"),
        ("phase_up", {}, "No phase is known to follow generic"),
        ("phase_up", {"programme": "ftmo-2-step-funded"}, "is no later phase of"),
    ],
)
def test_what_stands_against_a_step(
    live: Lives, ada: User, kind: str, said: dict[str, Any], sentence: str
) -> None:
    desk = live(earned="2000")
    second_account(desk.account)
    seen = life.preview(account_id=desk.account_id, kind=kind, now=LATER, **said)
    assert any(sentence in mistake for mistake in seen.mistakes), seen.mistakes
    with pytest.raises(LifeRefused):
        asked(desk.account, ada, kind, now=LATER, **said)
    assert not LifeAction.objects.exists()


def test_a_payout_to_the_cent_before_the_lock(live: Lives, ada: User) -> None:
    """100,000 initial, floor 90,000: 80 % of the limit are used at 92,000."""
    desk = live(earned="0")
    fits = life.preview(account_id=desk.account_id, kind="payout", now=LATER, amount=D("7999.99"))
    assert not fits.mistakes
    over = life.preview(account_id=desk.account_id, kind="payout", now=LATER, amount=D("8000.00"))
    assert len(over.mistakes) == 1


def test_a_preview_shows_both_sides_and_changes_nothing(live: Lives) -> None:
    desk = live("ftmo-2-step-challenge", earned="2000")
    before = (AccountPeriod.objects.count(), Event.objects.count())
    seen = life.preview(account_id=desk.account_id, kind="phase_up", now=LATER)
    assert seen.before is not None
    assert seen.after is not None
    assert (seen.before.balance, seen.before.room, seen.before.target) == (D(102_000), D(7_000), D(110_000))
    assert (seen.after.programme, seen.after.room, seen.after.target) == (
        "ftmo-2-step-verification v1",
        D(5_000),
        D(105_000),
    )
    assert (seen.money, seen.phrase, seen.mistakes) == (D(-2000), "PHASE UP", ())
    assert "The profit target of the present phase is not met." in seen.notes
    assert (AccountPeriod.objects.count(), Event.objects.count()) == before


def test_a_preview_says_what_the_step_will_wait_for(live: Lives) -> None:
    desk = live(earned="0")
    desk.open(D(50), LATER)
    desk.venue.advance(next(iter(desk.venue.exposed())), make_candles([1e6], start_ms=ms_from_utc(LATER)))
    desk.report(LATER)
    fresh = life.preview(account_id=desk.account_id, kind="reset", now=LATER + 5 * MINUTE)
    assert fresh.notes == (
        "Positions are open: the step waits until they are closed.",
        "The desk saw it last at 2026-03-02 12:09 UTC: the step waits for the desk.",
    )
    assert life.preview(account_id=desk.account_id, kind="reset", now=LATER).notes == fresh.notes[:1]


def test_the_owner_s_ceilings_hold_in_the_next_phase_too(live: Lives, environment: Any) -> None:
    desk = live("ftmo-2-step-challenge", earned="0")
    environment(max_daily_loss=D("0.02"), max_total_loss=D("0.04"))
    seen = life.preview(account_id=desk.account_id, kind="phase_up", now=LATER)
    assert seen.after is not None
    assert (seen.after.daily_floor, seen.after.total_floor) == (D(98_000), D(96_000))


def test_an_account_that_nobody_has_seen_has_no_preview(world: World, ada: User) -> None:
    seen = life.preview(account_id=world.account.pk, kind="reset", now=NOW)
    assert (seen.before, seen.after) == (None, None)
    with pytest.raises(LifeRefused, match="has not seen"):
        asked(world.account, ada, "reset")


def test_a_kind_that_does_not_exist(world: World, ada: User) -> None:
    with pytest.raises(ValueError, match="kind"):
        life.preview(account_id=world.account.pk, kind="kind of a gift", now=NOW)


def test_one_step_at_a_time(live: Lives, ada: User) -> None:
    desk = live()
    asked(desk.account, ada, "reset", now=LATER)
    with pytest.raises(LifeRefused, match="waits already"):
        asked(desk.account, ada, "deposit", now=LATER, amount=D(5))


def test_a_step_that_waits_can_be_withdrawn(live: Lives, ada: User) -> None:
    desk = live()
    number = asked(desk.account, ada, "reset", now=LATER)
    with pytest.raises(LifeRefused, match="superuser"):
        life.withdraw(number, by_user_id=0, reason="x", now=LATER)
    life.withdraw(number, by_user_id=ada.pk, reason="not yet", now=LATER)
    assert (action(number).state, action(number).answer) == (LifeState.REFUSED, "Withdrawn by ada: not yet")
    assert desk.attend(LATER) is None
    assert AccountPeriod.objects.count() == 1
    with pytest.raises(LifeRefused, match="waits no more"):
        life.withdraw(number, by_user_id=ada.pk, reason="again", now=LATER)


def test_a_step_whose_money_moves_cannot_be_withdrawn(live: Lives, ada: User) -> None:
    desk = live()
    number = asked(desk.account, ada, "payout", now=LATER, amount=D(100))

    def on_step(name: str) -> None:
        if name == "life_checked":
            with pytest.raises(LifeRefused, match="waits no more"):
                life.withdraw(number, by_user_id=ada.pk, reason="stop", now=LATER)

    desk.attend(LATER, on_step=on_step)
    assert action(number).state == LifeState.DONE


# -- when the desk carries it out -------------------------------------------------------------


def test_a_step_waits_until_nothing_is_open(live: Lives, ada: User) -> None:
    desk = live(earned="0")
    asked(desk.account, ada, "reset", now=LATER)
    desk.open(D(50), LATER)
    assert desk.attend(LATER) is None
    desk.earn(D(50), LATER + MINUTE)
    assert LifeAction.objects.get().state == LifeState.DONE
    # What was booked in the same round belongs to the period that ended.
    assert AccountPeriod.objects.get(ended_at=None).began_at == Fill.objects.latest("pk").booked_at
    desk.attend(NOW + timedelta(days=1))
    day = AccountDay.objects.latest("pk")
    assert (day.balance, day.proven, day.how) == (D(100_000), True, "reconstructed")


@pytest.mark.parametrize("state", ["pending", "sending", "unknown"])
def test_a_step_waits_for_what_is_on_its_way(live: Lives, world: World, ada: User, state: str) -> None:
    desk = live(earned="0")
    asked(desk.account, ada, "reset", now=LATER)
    intent = make_intent(world, state=state, now=LATER)
    assert life.carry_out(desk.account, desk.venue, now=LATER) is None
    type(intent).objects.filter(pk=intent.pk).update(state="rejected")
    assert life.carry_out(desk.account, desk.venue, now=LATER) is not None


def test_what_no_longer_holds_is_refused_with_the_reason(live: Lives, ada: User) -> None:
    desk = live(earned="2000")
    number = asked(desk.account, ada, "new_login", now=LATER, number="taken")
    second_account(desk.account, name="Taken")
    assert desk.attend(LATER) == number
    assert (action(number).state, action(number).answer) == (
        LifeState.REFUSED,
        "taken is the login of Taken.",
    )
    assert Event.objects.get(kind="life_refused").account_id == desk.account_id
    assert not PaperEntry.objects.filter(kind="balance").exists()


def test_nothing_asked_costs_one_statement(live: Lives, django_assert_num_queries: Any) -> None:
    desk = live(earned="0")
    with django_assert_num_queries(1):
        assert life.carry_out(desk.account, desk.venue, now=LATER) is None


def test_asking_needs_no_desk_and_changes_no_money(live: Lives, ada: User) -> None:
    desk = live(earned="0")
    number = asked(desk.account, ada, "payout", now=LATER, amount=D(100))
    assert action(number).body == {"amount": "100"}
    assert Event.objects.get(kind="life_asked").by == "ada"
    assert DeskStatus.objects.get().balance == D(100_000)


class Ended(Exception):
    """The desk died here."""


def dies_at(step: str) -> Callable[[str], None]:
    def on_step(name: str) -> None:
        if name == step:
            raise Ended(name)

    return on_step


@pytest.mark.parametrize("kind", sorted(SAID))
@pytest.mark.parametrize("hours", [0, 14])
def test_a_desk_that_dies_after_paying_is_followed_by_one_that_finishes(
    live: Lives, ada: User, kind: str, hours: int
) -> None:
    """The money is found again, at once or on the next day, and the step has begun when it was paid."""
    desk = live("ftmo-2-step-verification" if kind == "phase_up" else "generic", earned="2000")
    number = asked(desk.account, ada, kind, now=LATER, **SAID[kind])
    with pytest.raises(Ended):
        desk.attend(LATER, on_step=dies_at("life_paid"))
    assert action(number).state == LifeState.ASKED
    paid = BalanceOperation.objects.count()
    assert (paid, PaperEntry.objects.filter(kind="balance").count()) == (0, 1)
    # Whoever looks in between sees the account as it was.
    assert floors(desk.account_id)[0] == D(102_000)
    after = LATER + timedelta(hours=hours, seconds=1)
    follower = Desk(desk.account)
    follower.attend(after)
    assert action(number).state == LifeState.DONE
    period = AccountPeriod.objects.get(ended_at=None)
    assert (period.began_by, period.began_at) == (kind, LATER)
    balance = follower.venue.view(now=after).balance
    assert period.opening_balance == balance == DeskStatus.objects.get().balance
    rows = list(AccountDay.objects.filter(period=period).order_by("day"))
    assert len(rows) == (2 if hours else 1)
    assert all(row.proven for row in rows)
    assert kill_switch.effective(desk.account_id).state is TradingState.ACTIVE
    follower.sit()
    follower.attend(after + MINUTE)
    assert (BalanceOperation.objects.count(), PaperEntry.objects.filter(kind="balance").count()) == (1, 1)
    assert AccountPeriod.objects.count() == 2


def test_a_desk_that_dies_before_paying_is_followed_by_one_that_pays(live: Lives, ada: User) -> None:
    desk = live(earned="2000")
    number = asked(desk.account, ada, "payout", now=LATER, amount=D(100))
    with pytest.raises(Ended):
        desk.attend(LATER, on_step=dies_at("life_checked"))
    assert not PaperEntry.objects.filter(kind="balance").exists()
    Desk(desk.account).attend(LATER + MINUTE)
    assert (action(number).state, BalanceOperation.objects.get().amount) == (LifeState.DONE, D(-100))


# -- money that nobody asked for --------------------------------------------------------------


@pytest.mark.parametrize("amount", ["-300.00", "450.10"])
def test_money_that_nobody_asked_for_is_booked_and_halts(live: Lives, amount: str) -> None:
    desk = live(earned="0")
    desk.venue.pay(D(amount), LATER, comment="from the firm")
    desk.attend(LATER)
    operation = BalanceOperation.objects.get()
    assert (operation.amount, operation.action) == (D(amount), None)
    found = kill_switch.effective(desk.account_id)
    assert found.state is TradingState.HALTED
    assert "nobody asked for" in found.reason
    assert Event.objects.filter(kind="money_unasked", severity="error").count() == 1
    assert AccountDay.objects.get().balance == D(100_000) + D(amount)
    assert DeskStatus.objects.get().balance == D(100_000) + D(amount)
    for minute in range(1, 4):
        desk.sit()
        desk.attend(LATER + minute * MINUTE)
    assert BalanceOperation.objects.count() == 1
    assert Event.objects.filter(kind="money_unasked").count() == 1
    assert AccountDay.objects.get().balance == D(100_000) + D(amount)


def test_money_that_came_while_nobody_looked_is_in_the_day_that_it_came_on(live: Lives) -> None:
    desk = live(earned="0")
    tomorrow = NOW + timedelta(days=1)
    desk.venue.pay(D(1000), tomorrow, comment="from the firm")
    desk.attend(tomorrow + timedelta(days=1))
    recorded = list(AccountDay.objects.order_by("day").values_list("balance", "proven"))
    assert recorded == [(D(100_000), True), (D(101_000), True), (D(101_000), True)]


def test_every_kind_has_its_words() -> None:
    assert {str(kind): phrase for kind, phrase in life.PHRASES.items()} == {
        "phase_up": "PHASE UP",
        "payout": "PAYOUT",
        "deposit": "DEPOSIT",
        "reset": "RESET",
        "new_login": "NEW LOGIN",
    }
    assert set(SAID) == {kind.value for kind in LifeKind}
