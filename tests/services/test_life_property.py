"""Random lives of an account beside a second opinion in exact fractions; half of the sums are near a limit."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal as D
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.services.lives import NOW, Desk, asked, free_of_costs, under
from tests.services.worlds import MINUTE, World, make_superuser, second_account
from trading.core.life import paid
from trading.core.programme import daily_floor, total_floor
from trading.models import Account, AccountPeriod, AccountRisk, BalanceOperation, PaperBook
from trading.selectors import risk as reads
from trading.services import days, life_plan
from trading.services.life import LifeRefused

pytestmark = [pytest.mark.proof, pytest.mark.django_db]

ZONE = ZoneInfo("Europe/Prague")
MODES = ("static", "trailing_end_of_day", "trailing_locked", "trailing_intraday")
CENT = Fraction(1, 100)
SEEN: Counter[str] = Counter()


@dataclass
class Oracle:
    """What the papers say, in fractions: 5 % a day and 10 % in all of the initial balance may be lost."""

    mode: str
    initial: Fraction = Fraction(100_000)
    balance: Fraction = Fraction(100_000)
    day_start: Fraction = Fraction(100_000)
    peak: Fraction = Fraction(100_000)

    def daily(self) -> Fraction:
        return self.day_start - self.initial / 20

    def total(self) -> Fraction:
        if self.mode == "static":
            return self.initial * 9 / 10
        trailed = max(self.peak, self.initial) - self.initial / 10
        return min(trailed, self.initial) if self.mode == "trailing_locked" else trailed

    def midnight(self) -> None:
        self.day_start = self.balance
        if self.mode != "trailing_intraday":
            self.peak = max(self.peak, self.balance)

    def earn(self, amount: Fraction) -> None:
        self.balance += amount
        if self.mode == "trailing_intraday":
            self.peak = max(self.peak, self.balance)

    def pay(self, amount: Fraction) -> None:
        self.balance += amount
        self.day_start += amount
        if amount > 0:
            self.peak += amount
        elif self.mode == "trailing_end_of_day":
            self.peak = max(self.initial, self.balance)

    def begin(self, initial: Fraction) -> None:
        self.initial = self.balance = self.day_start = self.peak = initial

    def most_that_locks(self) -> Fraction:
        """The smallest payout after which four fifths of the total limit would be gone."""
        if self.mode in ("static", "trailing_end_of_day"):
            return self.balance - self.initial * 92 / 100
        return self.balance - self.total() - self.initial / 50


@dataclass
class Step:
    """What happens next.  cents: how much.  near: how many cents beside a limit instead, None for anywhere."""

    what: str
    cents: int
    near: int | None
    hours: float


@dataclass
class Life:
    """The product and the oracle beside each other."""

    desk: Desk
    user: User
    oracle: Oracle
    now: datetime = NOW
    logins: int = 0
    periods: int = 1
    paid: list[D] = field(default_factory=list)

    def live(self, step: Step) -> None:
        self._sleep(timedelta(hours=step.hours))
        self._look()
        getattr(self, f"_{step.what}")(step)
        self._look()
        self._compare()

    def _sleep(self, span: timedelta) -> None:
        """Let time pass; a trade must not be cut by a midnight."""
        until = self.now + span
        if (until + 9 * MINUTE).astimezone(ZONE).date() != until.astimezone(ZONE).date():
            until += 9 * MINUTE
        nights = (until.astimezone(ZONE).date() - self.now.astimezone(ZONE).date()).days
        for _ in range(nights):
            self.oracle.midnight()
        self.now = until

    def _look(self) -> None:
        self.desk.attend(self.now)
        view = self.desk.venue.view(now=self.now)
        risk = AccountRisk.objects.get(account=self.desk.account)
        if risk.peak_equity is not None and view.equity > risk.peak_equity and self.oracle.mode == MODES[3]:
            AccountRisk.objects.filter(pk=risk.pk).update(peak_equity=view.equity)

    def _earn(self, step: Step) -> None:
        self._trade(Fraction(step.cents, 100))

    def _lose(self, step: Step) -> None:
        floor = max(self.oracle.daily(), self.oracle.total())
        amount = self.oracle.balance - floor if step.near is not None else Fraction(step.cents, 100)
        amount = -down(amount) + CENT * (step.near or 0)
        if self.oracle.balance + amount > self.oracle.initial / 2:
            self._trade(amount)

    def _trade(self, amount: Fraction) -> None:
        if amount:
            self.now = self.desk.earn(money(amount), self.now)
            self.oracle.earn(amount)

    def _payout(self, step: Step) -> None:
        locks = down(self.oracle.most_that_locks())
        amount = Fraction(step.cents, 100) if step.near is None else locks + CENT * step.near
        if amount <= 0:
            return
        if amount >= self.oracle.most_that_locks() or amount >= self.oracle.balance:
            SEEN["refused"] += 1
            with pytest.raises(LifeRefused):
                asked(self.desk.account, self.user, "payout", now=self.now, amount=money(amount))
            return
        self._carried_out("payout", amount=money(amount))
        self.paid.append(-money(amount))
        self.oracle.pay(-amount)

    def _deposit(self, step: Step) -> None:
        amount = Fraction(step.cents, 100)
        self._carried_out("deposit", amount=money(amount))
        self.paid.append(money(amount))
        self.oracle.pay(amount)

    def _reset(self, step: Step) -> None:
        self._begin("reset", self.oracle.initial)

    def _new_login(self, step: Step) -> None:
        self.logins += 1
        number = f"{self.desk.account_id}-{self.logins}"
        self._begin("new_login", Fraction(50_000 + step.cents % 7 * 12_345), number=number)

    def _begin(self, kind: str, initial: Fraction, **said: str) -> None:
        if difference := initial - self.oracle.balance:
            self.paid.append(money(difference))
        self._carried_out(kind, initial=money(initial), **said)
        self.oracle.begin(initial)

    def _carried_out(self, kind: str, **said: object) -> None:
        number = asked(self.desk.account, self.user, kind, now=self.now, **said)
        assert self.desk.attend(self.now) == number
        self.periods += 1
        SEEN[kind] += 1

    def _compare(self) -> None:
        desk, account = (
            self.desk,
            Account.objects.select_related("programme__profile").get(pk=self.desk.account_id),
        )
        programme = reads.programme_of(account)
        day = reads.day_start_of(account, programme=programme, now=self.now)
        assert day.proven
        assert Fraction(desk.venue.view(now=self.now).balance) == self.oracle.balance
        assert Fraction(account.initial_balance) == self.oracle.initial
        assert Fraction(daily_floor(day, account.initial_balance, programme)) == self.oracle.daily()
        assert Fraction(total_floor(day, account.initial_balance, programme)) == self.oracle.total()
        assert AccountPeriod.objects.filter(account=account).count() == self.periods
        operations = BalanceOperation.objects.filter(account=account).order_by("pk")
        assert list(operations.values_list("amount", flat=True)) == self.paid


def down(amount: Fraction) -> Fraction:
    """Whole cents, towards zero."""
    return Fraction(int(amount / CENT)) * CENT


def money(amount: Fraction) -> D:
    cents = amount / CENT
    assert cents.denominator == 1
    return D(cents.numerator).scaleb(-2)


def steps() -> st.SearchStrategy[list[Step]]:
    """Eight to fourteen steps; half of what can be near a limit is within two cents of it."""
    step = st.builds(
        Step,
        what=st.sampled_from(
            ["earn", "earn", "lose", "lose", "payout", "payout", "payout", "deposit", "reset", "new_login"]
        ),
        cents=st.integers(1, 600_000),
        near=st.one_of(st.none(), st.integers(-2, 2)),
        hours=st.sampled_from([0.2, 3.0, 11.0, 25.5, 50.0]),
    )
    return st.lists(step, min_size=8, max_size=14)


@pytest.fixture
def ada(db: None) -> User:
    return make_superuser()


@pytest.mark.parametrize("mode", MODES)
def test_floors_after_every_step_of_random_lives(
    world: World, ada: User, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    free_of_costs()
    first = under(world.account, "generic", total_loss_mode=mode)
    # The story jumps from trade to trade; what a desk sees in between is another test's.
    monkeypatch.setattr(days, "UNWATCHED_AFTER", timedelta(days=9))
    SEEN.clear()

    @settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        max_examples=settings.default.max_examples // 16,
        phases=[Phase.explicit, Phase.generate],
    )
    @given(story=steps())
    def lives(story: list[Step]) -> None:
        name = f"A{PaperBook.objects.count()}-{Account.objects.count()}"
        life = Life(desk=Desk(second_account(first, name=name)), user=ada, oracle=Oracle(mode))
        for step in story:
            life.live(step)

    lives()
    assert {"payout", "deposit", "reset", "new_login", "refused"} <= set(SEEN)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda stand, amount: replace(stand, balance=stand.balance + amount), "deposit"),
        (lambda stand, amount: replace(paid(stand, amount), day=stand.day), "payout"),
    ],
)
def test_a_payment_that_does_not_move_the_day_is_found_out(
    world: World, ada: User, monkeypatch: pytest.MonkeyPatch, wrong: Any, what: str
) -> None:
    """The control: the product with the day's start left where it was."""
    free_of_costs()
    first = under(world.account, "generic")
    monkeypatch.setattr(life_plan.life, "paid", lambda stand, amount, **_: wrong(stand, amount))
    life = Life(desk=Desk(second_account(first)), user=ada, oracle=Oracle("static"))
    with pytest.raises(AssertionError):
        life.live(Step(what=what, cents=50_000, near=None, hours=1.0))
