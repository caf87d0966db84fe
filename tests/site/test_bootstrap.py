"""The first rows: made once, never made twice, and a halt is never undone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model

from crpbot_site import starting
from tests.site.conftest import Done
from trading.core.types import TradingState
from trading.models import Account, Event, KillSwitch, Market, ProgrammeVersion, StrategySwitch
from trading.services import bootstrap, kill_switch
from trading.services.bootstrap import Bootstrapped, Owner, Sources

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD")
AWAY = Sources(real="coinbase", symbols=SYMBOLS, reached=False, why="Coinbase gave no answer.")
THERE = Sources(real="coinbase", symbols=SYMBOLS, reached=True)


def start(sources: Sources = AWAY, *, password: str | None = None) -> Bootstrapped:
    return bootstrap.run(now=NOW, sources=sources, owner=Owner(name="admin", password=password))


def shown() -> set[str]:
    return set(Market.objects.filter(enabled=True).values_list("key", flat=True))


def test_the_first_start_without_a_network() -> None:
    made = start()
    assert made.markets == (*SYMBOLS, "TEST-USD")
    assert made.accounts == ("Paper", "Test market SYNTHETIC")
    assert made.opened
    assert shown() == {"TEST-USD"}
    assert Market.objects.get(key="TEST-USD").synthetic
    assert not Market.objects.filter(key__in=SYMBOLS, synthetic=True).exists()


def test_the_instruments_are_those_of_the_prop_firm() -> None:
    start()
    sizes = dict(Market.objects.values_list("key", "contract_size"))
    assert sizes == {"BTC-USD": 1, "ETH-USD": 10, "SOL-USD": 1, "TEST-USD": 1}
    assert set(Market.objects.values_list("commission_rate", flat=True)) == {Decimal("0.000325")}


def test_the_accounts_are_on_paper_and_open() -> None:
    start()
    paper, made_up = Account.objects.order_by("synthetic")
    for account in (paper, made_up):
        assert (account.mode, account.venue, account.initial_balance) == ("paper", "paper", 100_000)
        assert account.programme.profile.name == "ftmo-2-step-challenge"
        assert kill_switch.effective(account.pk).state is TradingState.ACTIVE
    assert (paper.source, made_up.source) == ("coinbase", "synthetic")
    assert made_up.synthetic


def test_programmes_and_strategies() -> None:
    start()
    assert ProgrammeVersion.objects.filter(profile__name="ftmo-2-step-challenge", daily_loss="0.05").exists()
    switches = dict(StrategySwitch.objects.values_list("name", "enabled"))
    assert switches == {"momentum": True, "mean_reversion": True, "buy_and_hold": False}


def test_a_second_start_changes_nothing() -> None:
    start()
    before = [list(model.objects.values()) for model in (Market, Account, KillSwitch, StrategySwitch, Event)]
    assert start() == Bootstrapped(markets=(), accounts=())
    assert [
        list(model.objects.values()) for model in (Market, Account, KillSwitch, StrategySwitch, Event)
    ] == before


def test_a_start_after_a_new_login_makes_no_second_account() -> None:
    start()
    before = list(Account.objects.order_by("pk").values_list("pk", flat=True))
    Account.objects.filter(pk=before[0]).update(number="4711")
    assert start().accounts == ()
    assert list(Account.objects.order_by("pk").values_list("pk", flat=True)) == before


def test_the_opening_is_an_event() -> None:
    start()
    opened = Event.objects.filter(kind="kill_switch", account=None)
    assert [(event.by, event.severity) for event in opened] == [("bootstrap", "info")]


def test_a_halt_is_never_undone() -> None:
    start()
    kill_switch.set_state(TradingState.HALTED, by="me", reason="dinner", now=NOW)
    account = Account.objects.get(name="Paper")
    kill_switch.set_state(TradingState.HALTED, by="me", reason="dinner", now=NOW, account_id=account.pk)
    assert not start(THERE).opened
    assert kill_switch.effective().state is TradingState.HALTED
    assert KillSwitch.objects.get(account=account).state == "halted"


def test_the_source_that_answers_is_the_one_shown() -> None:
    start()
    start(THERE)
    assert shown() == set(SYMBOLS)
    start()
    assert shown() == {"TEST-USD"}
    assert list(
        Event.objects.filter(kind="feed_choice").order_by("id").values_list("severity", flat=True)
    ) == [
        "warning",
        "info",
        "warning",
    ]


def test_the_synthetic_market_is_not_made_while_the_real_one_answers() -> None:
    made = start(THERE)
    assert made.accounts == ("Paper",)
    assert not Market.objects.filter(synthetic=True).exists()


def test_a_market_that_was_switched_off_stays_off() -> None:
    start(THERE)
    Market.objects.filter(key="SOL-USD").update(enabled=False)
    start(THERE)
    assert shown() == {"BTC-USD", "ETH-USD"}


def test_a_market_that_is_no_longer_named_is_no_longer_shown_and_a_new_one_is() -> None:
    start(THERE)
    start(Sources(real="coinbase", symbols=("BTC-USD", "ADA-USD"), reached=True))
    assert shown() == {"BTC-USD", "ADA-USD"}


def test_another_exchange_has_markets_and_an_account_of_its_own() -> None:
    start(THERE)
    made = start(Sources(real="ccxt:binance", symbols=("BTC/USDT",), reached=True))
    assert made.markets == ("binance:BTC/USDT",)
    assert made.accounts == ("Paper binance",)
    assert shown() == {"binance:BTC/USDT"}
    assert Account.objects.get(name="Paper binance").source == "ccxt:binance"


def test_a_password_is_generated_once() -> None:
    made = start()
    owner = get_user_model().objects.get()
    assert len(made.password) >= 12
    assert owner.check_password(made.password)
    assert owner.is_superuser
    assert start().password == ""


def test_a_password_that_was_given_is_used_and_not_repeated() -> None:
    made = start(password="a good long password")
    assert made.owner == "admin"
    assert made.password == ""
    assert get_user_model().objects.get().check_password("a good long password")


def test_auto_asks_coinbase_and_says_when_there_is_no_answer(settings: pytest.FixtureRequest) -> None:
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"feed": "auto"})
    chosen = starting.sources()
    assert not chosen.reached
    assert "Coinbase" in chosen.why
    assert "synthetic market is shown" in chosen.why


def test_a_named_source_is_taken_without_asking(settings: pytest.FixtureRequest) -> None:
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"feed": "coinbase"})
    assert starting.sources() == Sources(real="coinbase", symbols=SYMBOLS, reached=True)


def test_the_command_says_what_it_did_and_shows_the_password_once(manage: Callable[..., Done]) -> None:
    assert manage("migrate", "--verbosity", "0").returncode == 0
    first, second = manage("bootstrap"), manage("bootstrap")
    assert "Password, shown this once: " in first.stdout
    assert "TEST-USD" in first.stdout
    assert second.returncode == 0
    assert "assword" not in second.stdout


def test_a_start_says_that_trading_is_halted() -> None:
    made = start()
    assert not [line for line in starting.sentences(AWAY, made) if "HALTED" in line]
    kill_switch.set_state(TradingState.HALTED, by="me", reason="dinner", now=NOW)
    assert starting.sentences(AWAY, start())[-1] == "Trading is HALTED (switch: dinner (me))."


def test_a_new_account_is_judged_by_the_version_in_force_and_not_by_a_coming_one() -> None:
    start(THERE)
    present = Account.objects.get(source="coinbase").programme
    coming = ProgrammeVersion.objects.get(pk=present.pk)
    coming.pk, coming.version, coming.effective_from = (
        None,
        present.version + 1,
        NOW.date() + timedelta(days=1),
    )
    coming.save()
    cases = (("binance", NOW, present), ("kraken", datetime(2023, 1, 1, tzinfo=UTC), present))
    for exchange, instant, version in (*cases, ("okx", NOW + timedelta(days=1), coming)):
        sources = Sources(real=f"ccxt:{exchange}", symbols=("BTC/USDT",), reached=True)
        bootstrap.run(now=instant, sources=sources, owner=None)
        assert Account.objects.get(source=f"ccxt:{exchange}").programme == version
