"""The environment: the only place where CRPBot reads settings from the outside.

Every setting is one field of `Environment`, named by its environment variable. A file of settings (`.env` in the
project's folder, or the one that CRPBOT_ENV_FILE names) is read too; the environment wins over it. A variable
that is set to nothing counts as absent. A secret may stand in a file of its own: `NAME_FILE` is the path of it.
"""

from __future__ import annotations

import difflib
import os
import secrets
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from crpbot_site import environment_rules as rules
from trading.feeds.base import FeedRejected
from trading.feeds.coinbase_key import CoinbaseKey

PROJECT = Path(__file__).resolve().parent.parent
ENV_FILE = "CRPBOT_ENV_FILE"
# Names that the test suite and compose.yaml read for themselves; they may stand in the same environment.
FOREIGN = frozenset(
    {ENV_FILE, "CRPBOT_REQUIRE", "CRPBOT_CANDLES", "CRPBOT_TEST_DB", "CRPBOT_KILLS", "CRPBOT_NIGHTLY"}
    | {"CRPBOT_IMAGE", "CRPBOT_BIND"}
)

Share = Annotated[Decimal, Field(gt=0, le=1, allow_inf_nan=False)]
WebAddress = Annotated[str, AfterValidator(rules.web_address)]


RANGE = ("ge", "gt", "le", "lt")
IDLE = "Accepted, without effect in this version."


class BadConfiguration(Exception):
    """The environment cannot be used; ``mistakes`` names everything that is wrong with it."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("Bad configuration:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))
        self.mistakes = mistakes


class Unreadable(str):
    """Stands where a value should be: why it could not be had."""


def setting(name: str, default: Any, text: str, **rest: Any) -> Any:
    """One setting: the variable's name, its default, and what it is for."""
    return Field(default, validation_alias=name, description=text, validate_default=True, **rest)


def is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _outside() -> dict[str, str]:
    """What the environment and the file of settings say; a name that is set to nothing is left out."""
    file = Path(os.environ.get(ENV_FILE) or PROJECT / ".env")
    both = {**dotenv_values(file, interpolate=False), **os.environ}
    return {name: value for name, value in both.items() if value}


class Outside(PydanticBaseSettingsSource):
    """The values of all fields by their variables' names, secrets also from the file that NAME_FILE names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        outside, name = _outside(), str(field.validation_alias)
        file = outside.get(f"{name}_FILE") if is_secret(field) else None
        if file is None:
            return outside.get(name), name, False
        if name in outside:
            return Unreadable(f"is set, and so is {name}_FILE; keep one of them"), name, False
        try:
            return Path(file).read_text(encoding="utf-8").strip(), name, False
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            return Unreadable(f"the file that {name}_FILE names, {file}, cannot be read: {why}"), name, False

    def __call__(self) -> dict[str, Any]:
        answers = (
            self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items()
        )
        return {name: value for value, name, _ in answers if value is not None}


class Environment(BaseSettings):
    """Every setting of CRPBot, typed and within its range; nothing of it changes while a process runs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # --- address and people
    url: Annotated[str, AfterValidator(rules.own_address)] = setting(
        "CRPBOT_URL",
        "http://127.0.0.1:8000",
        "Address of the panel. With https, a proxy in front ends TLS and must set X-Forwarded-Proto itself; cookies"
        " are then secure, http is redirected and HSTS is sent. http is accepted on this machine and on a private"
        " network only.",
    )
    admin_user: str = setting(
        "CRPBOT_ADMIN_USER", "admin", "Name of the first superuser.", min_length=1, max_length=150
    )
    admin_password: SecretStr | None = setting(
        "CRPBOT_ADMIN_PASSWORD",
        None,
        "Password of the first superuser, used once, when it is made. Without it a password is generated and"
        " printed once.",
    )
    time_zone: Annotated[str, AfterValidator(rules.zone)] = setting(
        "CRPBOT_TIME_ZONE",
        "America/New_York",
        "The owner's time zone, in which commands tell the time. The panel shows the prop firm's, which decides when"
        " a day ends; all calculation is in UTC.",
    )

    # --- files, database and broker
    data_dir: Path = setting(
        "CRPBOT_DATA_DIR",
        "var",
        "Folder of the SQLite database, the generated secret key, the HALT file and the locks. It must lie on a"
        " local disk. A relative path starts at the project's folder.",
    )
    db_host: str | None = setting(
        "DB_HOST", None, "Host of the PostgreSQL server, when DATABASE_URL is not set."
    )
    db_port: int = setting("DB_PORT", 5432, "Port of the PostgreSQL server at DB_HOST.", ge=1, le=65535)
    db_name: str = setting("DB_NAME", "crpbot", "Database at DB_HOST.", min_length=1)
    db_user: str = setting("DB_USER", "crpbot", "Role at DB_HOST.", min_length=1)
    db_password: SecretStr | None = setting("DB_PASSWORD", None, "Password of the role at DB_HOST.")
    database_url: Annotated[SecretStr, AfterValidator(rules.database_address)] | None = setting(
        "DATABASE_URL",
        None,
        "Database, such as postgresql://crpbot:password@host:5432/crpbot or sqlite:////var/lib/crpbot/db.sqlite3."
        " Without it and without DB_HOST, an SQLite file in the data folder serves observe and paper.",
    )
    secret_key: Annotated[SecretStr, AfterValidator(rules.secret_key)] | None = setting(
        "CRPBOT_SECRET_KEY",
        None,
        "Key that signs sessions, at least 50 characters. On SQLite it is made in the data folder when absent; on"
        " PostgreSQL it is required, because several processes share it.",
    )
    redis_url: Annotated[SecretStr, AfterValidator(rules.redis_address)] | None = setting(
        "REDIS_URL",
        None,
        "Broker of background tasks, such as redis://:password@host:6379/0. Without it tasks stay inside the"
        " process of `manage.py appliance`.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(rules.lower)] = (
        setting("LOG_LEVEL", "info", "How much is logged: debug, info, warning or error.")
    )

    # --- prices
    feed: Annotated[str, AfterValidator(rules.feed), BeforeValidator(rules.lower)] = setting(
        "CRPBOT_FEED",
        "auto",
        "Source of candles: coinbase, ccxt:<exchange>, synthetic, or auto, which asks Coinbase at every start and"
        " shows the synthetic market, labelled SYNTHETIC, when there is no answer.",
    )
    markets: Annotated[tuple[str, ...], AfterValidator(rules.markets), BeforeValidator(rules.words)] = (
        setting(
            "CRPBOT_MARKETS",
            "BTC-USD,ETH-USD,SOL-USD",
            "Markets to watch, in the source's own spelling, separated by commas; Binance would have BTC/USDT.",
        )
    )
    coinbase_url: WebAddress = setting(
        "CRPBOT_COINBASE_URL",
        "https://api.coinbase.com/api/v3/brokerage",
        "Address of Coinbase's Advanced Trade API.",
    )
    coinbase_key_name: str | None = setting(
        "CRPBOT_COINBASE_KEY_NAME",
        None,
        "Name of a Coinbase API key. Candles need none; with one, limits are wider.",
    )
    coinbase_key_secret: SecretStr | None = setting(
        "CRPBOT_COINBASE_KEY_SECRET", None, "Private key of that name: PEM (ES256) or base64 (EdDSA)."
    )
    ccxt_url: WebAddress | None = setting(
        "CRPBOT_CCXT_URL",
        None,
        "Replaces the address of the public API of the exchange that ccxt:<exchange> names.",
    )
    binance_api_key: SecretStr | None = setting("BINANCE_API_KEY", None, "Key for the feed ccxt:binance.")
    binance_api_secret: SecretStr | None = setting("BINANCE_API_SECRET", None, "Secret of that key.")
    synthetic_seed: int = setting(
        "CRPBOT_SYNTHETIC_SEED",
        1,
        "Seed of the synthetic market; the same seed gives the same prices.",
        ge=0,
        le=2**32 - 1,
    )

    # --- how far orders may go
    trading_mode: Annotated[Literal["paper", "live"], BeforeValidator(rules.lower)] = setting(
        "TRADING_MODE",
        "paper",
        "Ceiling of every account's mode: paper allows observe and paper, live needs PostgreSQL.",
    )
    halt: bool = setting(
        "CRPBOT_HALT",
        False,
        "1 halts all trading for as long as it is set. It leaves the switch as it is: what `manage.py halt` or the"
        " panel halted stays halted after it.",
    )
    max_daily_loss: Share = setting(
        "CRPBOT_MAX_DAILY_LOSS", "0.05", "Ceiling of the daily loss, as a share of the initial balance."
    )
    max_total_loss: Share = setting(
        "CRPBOT_MAX_TOTAL_LOSS", "0.10", "Ceiling of the total loss, as a share of the initial balance."
    )
    max_risk_per_trade: Share = setting(
        "CRPBOT_MAX_RISK_PER_TRADE",
        "0.01",
        "Ceiling of the risk of one trade, as a share of the initial balance.",
    )
    max_positions: int = setting(
        "CRPBOT_MAX_POSITIONS", 3, "Ceiling of positions open at once in one account.", ge=1, le=100
    )
    max_signals_per_hour: int = setting(
        "CRPBOT_MAX_SIGNALS_PER_HOUR",
        10,
        "Ceiling of approved signals an hour in one account.",
        ge=1,
        le=1000,
    )
    max_high_per_hour: int = setting(
        "CRPBOT_MAX_HIGH_PER_HOUR",
        5,
        "Ceiling of approved High signals an hour in one account.",
        ge=1,
        le=1000,
    )
    signal_ttl_seconds: int = setting(
        "CRPBOT_SIGNAL_TTL_SECONDS",
        90,
        "Longest life of a signal, in seconds from the close of its candle; an older one never becomes an order.",
        ge=10,
        le=3600,
    )
    cool_down_minutes: int = setting(
        "CRPBOT_COOL_DOWN_MINUTES",
        15,
        "Shortest pause between two approved signals of one market, in minutes.",
        ge=0,
        le=1440,
    )

    # --- names of the cloud variant
    aws_region: str | None = setting("AWS_REGION", None, f"Region of Amazon's services. {IDLE}")
    aws_account_id: str | None = setting("AWS_ACCOUNT_ID", None, f"Account at Amazon. {IDLE}")
    s3_market_data_bucket: str | None = setting(
        "S3_MARKET_DATA_BUCKET", None, f"Bucket of candles and features. {IDLE}"
    )
    s3_backups_bucket: str | None = setting("S3_BACKUPS_BUCKET", None, f"Bucket of backups. {IDLE}")
    s3_logs_bucket: str | None = setting("S3_LOGS_BUCKET", None, f"Bucket of logs. {IDLE}")
    db_secret_arn: str | None = setting(
        "DB_SECRET_ARN", None, f"The database's password in AWS Secrets Manager. {IDLE} Use DB_PASSWORD."
    )
    coinbase_secret_arn: str | None = setting(
        "COINBASE_SECRET_ARN",
        None,
        f"The Coinbase key in AWS Secrets Manager. {IDLE} Use CRPBOT_COINBASE_KEY_SECRET.",
    )
    telegram_secret_arn: str | None = setting(
        "TELEGRAM_SECRET_ARN", None, f"The Telegram token in AWS Secrets Manager. {IDLE}"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read from one place only: the environment with its file of settings."""
        return (Outside(settings_cls),)

    @field_validator("*", mode="before")
    @classmethod
    def _was_read(cls, value: Any) -> Any:
        if isinstance(value, Unreadable):
            raise ValueError(str(value))
        return value

    @field_validator("data_dir", mode="after")
    @classmethod
    def _under_project(cls, value: Path) -> Path:
        folder = PROJECT / value.expanduser()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{folder} cannot be made: {error.strerror}") from None
        return folder

    @field_validator("database_url", mode="after")
    @classmethod
    def _from_parts(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        host, parts = info.data.get("db_host"), info.data
        if (
            value is not None
            or not host
            or not {"db_user", "db_port", "db_name", "db_password"} <= parts.keys()
        ):
            return value
        password = parts["db_password"].get_secret_value() if parts["db_password"] else ""
        user = f"{quote(parts['db_user'], safe='')}:{quote(password, safe='')}"
        return SecretStr(f"postgresql://{user}@{host}:{parts['db_port']}/{quote(parts['db_name'], safe='')}")

    @field_validator("secret_key", mode="after")
    @classmethod
    def _shared_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        database = info.data.get("database_url")
        if value is None and database is not None and database.get_secret_value().startswith("postgres"):
            raise ValueError("is required with PostgreSQL; ./docker/init makes one")
        return value

    @field_validator("coinbase_key_secret", mode="after")
    @classmethod
    def _key_is_whole(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("coinbase_key_name") is None):
            raise ValueError(
                "a Coinbase key needs both CRPBOT_COINBASE_KEY_NAME and CRPBOT_COINBASE_KEY_SECRET"
            )
        if value is not None:
            try:
                CoinbaseKey(info.data["coinbase_key_name"], value.get_secret_value())
            except FeedRejected as error:
                raise ValueError(str(error)) from None
        return value

    @property
    def https(self) -> bool:
        return self.url.startswith("https://")

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port that the panel itself listens on; with https the proxy in front has the address's own."""
        return 8000 if self.https else urlsplit(self.url).port or 80

    @property
    def notice(self) -> str:
        """What the panel must say about its own address at all times; empty when there is nothing to say."""
        if self.https or rules.is_loopback(self.host):
            return ""
        return (
            f"The panel is served without encryption at {self.url}: anyone on this network can read what it sends,"
            " the password included. Set CRPBOT_URL to an https address."
        )

    @property
    def postgresql(self) -> bool:
        return self.database_url is not None and self.database_url.get_secret_value().startswith("postgres")

    def idle(self) -> list[str]:
        """Names that are set here and have no effect in this version, where and who apart."""
        fields = {
            name: field for name, field in type(self).model_fields.items() if not name.startswith("aws")
        }
        named = {name: field for name, field in fields.items() if IDLE in str(field.description)}
        return [str(field.validation_alias) for name, field in named.items() if getattr(self, name)]

    def secret_values(self) -> tuple[str, ...]:
        """Every secret's text, for the filter that keeps them out of logs."""
        held = (getattr(self, name) for name, field in type(self).model_fields.items() if is_secret(field))
        return tuple(value.get_secret_value() for value in held if value is not None)


def _unknown(names: Mapping[str, str]) -> list[str]:
    """Names that begin like ours and mean nothing: most often a slip of the keyboard."""
    ours = {str(field.validation_alias): field for field in Environment.model_fields.values()}
    known = set(ours) | {f"{name}_FILE" for name, field in ours.items() if is_secret(field)} | FOREIGN
    mistakes = []
    for name in sorted(names):
        if name.startswith("CRPBOT_") and name not in known:
            near = difflib.get_close_matches(name, sorted(known - FOREIGN), n=1, cutoff=0.8)
            mistakes.append(
                f"{name}: is no setting of CRPBot" + (f", did you mean {near[0]}?" if near else "")
            )
    return mistakes


def limits(field: FieldInfo) -> dict[str, Any]:
    """A number's range: its lowest and highest value, and whether the lowest itself is left out."""
    found = {word: getattr(rule, word) for rule in _rules(field) for word in RANGE if hasattr(rule, word)}
    low, high = found.get("ge", found.get("gt")), found.get("le", found.get("lt"))
    return {"low": low, "high": high, "open": "gt" in found}


def _rules(field: FieldInfo) -> list[Any]:
    """A field's rules, those of a shared type included."""
    return [rule for given in field.metadata for rule in (given, *getattr(given, "metadata", ()))]


def _sentences(error: ValidationError) -> list[str]:
    fields = Environment.model_fields
    # A default is told by the field's own name, a value by its variable's.
    by_any_name = {**fields, **{str(field.validation_alias): field for field in fields.values()}}
    lines = []
    for mistake in error.errors(include_url=False):
        field = by_any_name[str(mistake["loc"][0])]
        name = str(field.validation_alias)
        lines.append(f"{name}: {rules.sentence(mistake, limits=limits(field), secret=is_secret(field))}")
    return lines


def load() -> Environment:
    """Read and judge the environment; BadConfiguration with every mistake when it cannot be used."""
    mistakes = _unknown(_outside())
    try:
        found = Environment()
    except ValidationError as error:
        raise BadConfiguration(_sentences(error) + mistakes) from None
    if mistakes:
        raise BadConfiguration(mistakes)
    return found


def load_or_exit() -> Environment:
    """Read the environment; print the mistakes and leave with code 2 when it cannot be used."""
    try:
        return load()
    except BadConfiguration as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def session_key(environment: Environment) -> str:
    """The key that signs sessions: the one given, else one made once in the data folder, for its owner alone."""
    if environment.secret_key is not None:
        return environment.secret_key.get_secret_value()
    file = environment.data_dir / "secret_key"
    if not file.exists():
        draft = file.with_name(f"secret_key.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(secrets.token_urlsafe(64))
        try:
            os.link(draft, file)
        except FileExistsError:  # another process was first: its key counts
            pass
        finally:
            draft.unlink()
    return file.read_text(encoding="ascii")
