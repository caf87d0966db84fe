"""The environment: typed, within ranges, and every mistake told at once."""

import base64
import stat
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from crpbot_site import environment
from crpbot_site.environment import Environment
from tests.site.conftest import KEY, Done

Load = Callable[..., Environment]
Mistakes = Callable[..., list[str]]


def test_nothing_set_is_a_working_appliance(load: Load, tmp_path: Path) -> None:
    found = load()
    assert (found.url, found.feed, found.trading_mode) == ("http://127.0.0.1:8000", "auto", "paper")
    assert found.markets == ("BTC-USD", "ETH-USD", "SOL-USD")
    assert found.max_daily_loss == Decimal("0.05")
    assert found.data_dir == tmp_path
    assert (found.database_url, found.redis_url, found.halt) == (None, None, False)


def test_every_mistake_is_told_in_one_message(mistakes: Mistakes) -> None:
    told = mistakes(
        CRPBOT_URL="ftp://example.net",
        CRPBOT_MAX_DAILY_LOSS="5",
        CRPBOT_MAX_POSITIONS="three",
        CRPBOT_HALT="perhaps",
        CRPBOT_FEED="kraken",
        CRPBOT_TIME_ZONE="Mars/Olympus",
        CRPBOT_MARKETS="BTC-USD,bitcoin",
        LOG_LEVEL="loud",
        TRADING_MODE="demo",
        DATABASE_URL="mysql://host/name",
        REDIS_URL="http://host",
        CRPBOT_SECRET_KEY="short",
        CRPBOT_COINBASE_KEY_NAME="half a key",
        CRPBOT_MAX_DAILY_LOS="0.01",
        CRPBOT_NONSENSE="1",
    )
    assert told == [
        "CRPBOT_URL: must begin with http:// or https://",
        "CRPBOT_TIME_ZONE: is no known time zone, Europe/Prague would be one",
        "DATABASE_URL: must begin with postgresql:// or postgres:// or sqlite://",
        "CRPBOT_SECRET_KEY: must have at least 50 characters; leave it out on SQLite, one is made",
        "REDIS_URL: must begin with redis:// or rediss://",
        "LOG_LEVEL: must be one of debug, info, warning or error, was 'loud'",
        "CRPBOT_FEED: must be auto, coinbase, synthetic or ccxt:<exchange>",
        "CRPBOT_MARKETS: 'bitcoin' is no market, BTC-USD would be one",
        "CRPBOT_COINBASE_KEY_SECRET: a Coinbase key needs both CRPBOT_COINBASE_KEY_NAME and CRPBOT_COINBASE_KEY_SECRET",
        "TRADING_MODE: must be one of paper or live, was 'demo'",
        "CRPBOT_HALT: must be 1 or 0, was 'perhaps'",
        "CRPBOT_MAX_DAILY_LOSS: must be above 0 and at most 1, was '5'",
        "CRPBOT_MAX_POSITIONS: must be a whole number, was 'three'",
        "CRPBOT_MAX_DAILY_LOS: is no setting of CRPBot, did you mean CRPBOT_MAX_DAILY_LOSS?",
        "CRPBOT_NONSENSE: is no setting of CRPBot",
    ]


NUMBERS = [
    (str(field.validation_alias), environment.limits(field))
    for field in Environment.model_fields.values()
    if environment.limits(field)["low"] is not None
]


@pytest.mark.parametrize(("name", "limits"), NUMBERS, ids=[name for name, _ in NUMBERS])
def test_every_number_has_a_range_that_holds(
    name: str, limits: dict[str, Decimal], mistakes: Mistakes, load: Load
) -> None:
    low, high = limits["low"], limits["high"]
    below = low if limits["open"] else low - 1
    for value in (below, high + 1, "nan", "-inf", "", " "):
        if str(value).strip():
            assert mistakes(**{name: str(value)})[0].startswith(f"{name}: must ")
    assert load(**{name: str(high)})


def test_all_numbers_that_limit_risk_have_a_range() -> None:
    ceilings = {name for name in Environment.model_fields if name.startswith("max_")}
    ranged = {
        n for n, field in Environment.model_fields.items() if environment.limits(field)["high"] is not None
    }
    assert ceilings <= ranged


def test_set_to_nothing_counts_as_absent(load: Load) -> None:
    assert load(CRPBOT_MAX_POSITIONS="", REDIS_URL="").max_positions == 3


@pytest.mark.parametrize(
    "name",
    [str(f.validation_alias) for f in Environment.model_fields.values() if environment.is_secret(f)],
)
def test_a_secret_may_stand_in_a_file(name: str, load: Load, mistakes: Mistakes, tmp_path: Path) -> None:
    values = {
        "DATABASE_URL": "sqlite:////tmp/x.sqlite3",
        "REDIS_URL": "redis://h:6379/0",
        "CRPBOT_SECRET_KEY": KEY,
        "CRPBOT_COINBASE_KEY_SECRET": base64.b64encode(bytes(range(32))).decode(),
    }
    value = values.get(name, "a secret of its own")
    file = tmp_path / "secret"
    file.write_text(f"{value}\n")
    extra = {"CRPBOT_COINBASE_KEY_NAME": "name"} if name == "CRPBOT_COINBASE_KEY_SECRET" else {}
    found = load(**{f"{name}_FILE": str(file)}, **extra)
    assert value in found.secret_values()
    assert value not in repr(found)
    assert mistakes(**{f"{name}_FILE": str(tmp_path / "none")}, **extra) == [
        f"{name}: the file that {name}_FILE names, {tmp_path / 'none'}, cannot be read: No such file or directory"
    ]
    told = mistakes(**{f"{name}_FILE": str(file), name: value}, **extra)
    assert told == [f"{name}: is set, and so is {name}_FILE; keep one of them"]


def test_a_coinbase_key_that_cannot_sign_stops_the_start(mistakes: Mistakes) -> None:
    told = mistakes(CRPBOT_COINBASE_KEY_NAME="name", CRPBOT_COINBASE_KEY_SECRET="hunter2")
    assert told == ["CRPBOT_COINBASE_KEY_SECRET: the Coinbase key is neither PEM text nor base64"]


def test_a_mistaken_secret_is_not_repeated(mistakes: Mistakes) -> None:
    told = "".join(mistakes(CRPBOT_SECRET_KEY="hunter2", DATABASE_URL="mysql://u:hunter2@h/n"))
    assert "hunter2" not in told


def test_a_file_of_settings_is_read_and_the_environment_wins(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("CRPBOT_MAX_POSITIONS=2\nCRPBOT_HALT=1\nPUID=1000\n")
    found = load(CRPBOT_ENV_FILE=str(file), CRPBOT_MAX_POSITIONS="1")
    assert (found.max_positions, found.halt) == (1, True)


def test_a_slip_in_the_file_of_settings_is_a_mistake(mistakes: Mistakes, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("CRPBOT_MARKET=BTC-USD\n")
    assert mistakes(CRPBOT_ENV_FILE=str(file)) == [
        "CRPBOT_MARKET: is no setting of CRPBot, did you mean CRPBOT_MARKETS?"
    ]


def test_the_parts_of_a_database_address_are_put_together(load: Load) -> None:
    found = load(DB_HOST="db", DB_NAME="bot", DB_USER="a b", DB_PASSWORD="p@ss/word", CRPBOT_SECRET_KEY=KEY)
    assert found.database_url is not None
    assert found.database_url.get_secret_value() == "postgresql://a%20b:p%40ss%2Fword@db:5432/bot"
    assert found.postgresql


def test_the_whole_database_address_wins_over_its_parts(load: Load) -> None:
    found = load(DB_HOST="db", DATABASE_URL="postgres://u@other/n", CRPBOT_SECRET_KEY=KEY)
    assert found.database_url is not None
    assert "other" in found.database_url.get_secret_value()


def test_several_processes_share_a_key(mistakes: Mistakes) -> None:
    assert mistakes(DATABASE_URL="postgresql://u@h/n") == [
        "CRPBOT_SECRET_KEY: is required with PostgreSQL; ./docker/init makes one"
    ]


def test_names_of_the_owners_documents(load: Load) -> None:
    found = load(
        BINANCE_API_KEY="public", BINANCE_API_SECRET="private", LOG_LEVEL="INFO", TRADING_MODE="Paper"
    )
    assert found.binance_api_key is not None
    assert found.binance_api_secret is not None
    assert (found.log_level, found.trading_mode) == ("info", "paper")


@pytest.mark.parametrize(
    "url",
    [
        "https://crpbot.example.net",
        "https://crpbot.example.net:8443",
        "http://127.0.0.1:8000",
        "http://localhost",
        "http://[::1]:8000",
        "http://192.168.1.20:8000",
        "http://10.0.0.2",
        "http://172.31.255.1",
        "http://[fd00::1]:8000",
        "http://nas",
        "http://crpbot.local:8000",
        "http://box.home.arpa",
    ],
)
def test_addresses_that_are_accepted(url: str, load: Load) -> None:
    assert load(CRPBOT_URL=url).url == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.net", "needs https"),
        ("http://8.8.8.8", "needs https"),
        ("http://172.32.0.1", "needs https"),
        ("http://0.0.0.0:8000", "needs https"),
        ("http://192.0.2.7", "needs https"),
        ("http://127.0.0.1.example.net", "needs https"),
        ("https://", "names no host"),
        ("https://example.net/panel", "scheme, host and port only"),
        ("https://user@example.net", "scheme, host and port only"),
        ("https://example.net:0", "names port 0"),
        ("https://example.net:99999", "is no address"),
        ("crpbot.example.net", "must begin with http:// or https://"),
    ],
)
def test_addresses_that_are_refused(url: str, why: str, mistakes: Mistakes) -> None:
    (told,) = mistakes(CRPBOT_URL=url)
    assert why in told


def test_an_open_address_on_the_network_has_a_standing_notice(load: Load) -> None:
    assert "without encryption" in load(CRPBOT_URL="http://192.168.1.20").notice
    assert not load(CRPBOT_URL="http://127.0.0.1:8000").notice
    assert not load(CRPBOT_URL="https://crpbot.example.net").notice


def test_the_port_of_the_panel(load: Load) -> None:
    assert load(CRPBOT_URL="http://127.0.0.1:8100").port == 8100
    assert load(CRPBOT_URL="http://nas").port == 80
    assert load(CRPBOT_URL="https://crpbot.example.net").port == 8000


def test_a_data_folder_that_cannot_be_made_is_a_mistake(mistakes: Mistakes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (told,) = mistakes(CRPBOT_DATA_DIR=str(tmp_path / "file" / "below"))
    assert told.startswith("CRPBOT_DATA_DIR: ")
    assert "cannot be made" in told


def test_the_key_is_made_once_for_its_owner_alone(load: Load, tmp_path: Path) -> None:
    found = load()
    first = environment.session_key(found)
    assert environment.session_key(found) == first
    assert len(first) >= 50
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
    assert environment.session_key(load(CRPBOT_SECRET_KEY=KEY)) == KEY


def test_settings_do_not_change_while_a_process_runs(load: Load) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().max_positions = 99


@pytest.mark.parametrize("words", [("check",), ("status", "--json"), ("appliance",)])
def test_a_command_stops_with_the_list_and_without_a_traceback(
    words: tuple[str, ...], manage: Callable[..., Done]
) -> None:
    done = manage(*words, CRPBOT_MAX_POSITIONS="x", CRPBOT_URL="http://example.net")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == "Bad configuration:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["CRPBOT_URL", "CRPBOT_MAX_POSITIONS"]


@pytest.mark.parametrize(
    "start", [["-m", "celery", "-A", "crpbot_site.celery", "report"], ["-c", "import crpbot_site.wsgi"]]
)
def test_other_doors_stop_the_same_way(start: list[str], program: Callable[..., Done]) -> None:
    done = program(start, CRPBOT_MAX_POSITIONS="x")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Bad configuration:",
        "  CRPBOT_MAX_POSITIONS: must be a whole number, was 'x'",
    ]


def test_names_of_the_cloud_variant_are_accepted_and_told_to_be_idle(load: Load) -> None:
    arns = {"DB_SECRET_ARN": "arn:1", "COINBASE_SECRET_ARN": "arn:2", "TELEGRAM_SECRET_ARN": "arn:3"}
    buckets = {"S3_MARKET_DATA_BUCKET": "m", "S3_BACKUPS_BUCKET": "b", "S3_LOGS_BUCKET": "l"}
    found = load(AWS_REGION="eu-central-1", AWS_ACCOUNT_ID="1", **arns, **buckets)
    assert (found.aws_region, found.db_secret_arn, found.s3_logs_bucket) == ("eu-central-1", "arn:1", "l")
    assert set(found.idle()) == {*arns, *buckets}
    assert load(AWS_REGION="eu-central-1").idle() == []
