"""Rows, one file a noun."""

from trading.models.account import Account, AccountDay, AccountPeriod, ProgrammeProfile, ProgrammeVersion
from trading.models.calendar import CalendarEntry
from trading.models.event import Event, Severity, TaskHealth, TaskRun, TaskState
from trading.models.kill_switch import DeskStatus, KillSwitch, Lease
from trading.models.life import BalanceOperation, LifeAction, LifeKind, LifeState
from trading.models.market import Candle, Coverage, Gap, GapKind, Market, candle_id
from trading.models.order import Fill, Order, OrderIntent, PaperBook, PaperEntry, Trade, TradeState
from trading.models.risk import AccountRisk, Flatten, RiskSnapshot
from trading.models.signal import Outcome, OutcomeState, Scan, Signal, StrategySwitch

__all__ = [
    "Account",
    "AccountDay",
    "AccountPeriod",
    "AccountRisk",
    "BalanceOperation",
    "CalendarEntry",
    "Candle",
    "Coverage",
    "DeskStatus",
    "Event",
    "Fill",
    "Flatten",
    "Gap",
    "GapKind",
    "KillSwitch",
    "Lease",
    "LifeAction",
    "LifeKind",
    "LifeState",
    "Market",
    "Order",
    "OrderIntent",
    "Outcome",
    "OutcomeState",
    "PaperBook",
    "PaperEntry",
    "ProgrammeProfile",
    "ProgrammeVersion",
    "RiskSnapshot",
    "Scan",
    "Severity",
    "Signal",
    "StrategySwitch",
    "TaskHealth",
    "TaskRun",
    "TaskState",
    "Trade",
    "TradeState",
    "candle_id",
]
