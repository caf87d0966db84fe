"""The desk: the one process that sends orders, from rows, under a lease and under the kill switch's lock.

Look, then claim, then speak: an intent is claimed by one conditional update in the transaction that
holds the switch rows, committed as SENDING, and only then handed to the venue, once. Whatever dies
in between, the intent is found at the venue or stays UNKNOWN; it is never sent again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import close_old_connections
from django.utils import timezone

from trading.core.types import (
    AccountView,
    Action,
    ExitReason,
    IntentState,
    Margin,
    ms_from_utc,
    utc_from_ms,
)
from trading.models import Account, Market, OrderIntent
from trading.selectors import rows
from trading.services import (
    claims,
    days,
    desk_status,
    events,
    guard,
    kill_switch,
    leases,
    margins,
    paper,
    reconcile,
    risk,
    runaway,
    sentinel,
)
from trading.services import clock as clocks
from trading.venues.base import VenueRejected, VenueUnavailable, VenueUnknownOutcome
from trading.venues.paper import PaperVenue

PAUSE = timedelta(seconds=1)
STATUS_EVERY = timedelta(seconds=3)
# New accounts are noticed this often; a claim reads its account afresh.
ACCOUNTS_EVERY = timedelta(minutes=5)
FAILURES_BORNE = 5

# What moves with every candle says nothing of how a market trades.
_MOVING = {"newest_ms", "fetched_to_ms", "unavailable_since", "unavailable_reason"}
_TRADED_BY = ", ".join(f'"{f.column}"' for f in Market._meta.concrete_fields if f.name not in _MOVING)
# Everything of the accounts and of how their markets trade that a desk keeps in its memory.
_KEPT_ACCOUNTS = (
    "SELECT a.*, v.* FROM trading_account a JOIN trading_programmeversion v ON v.id = a.programme_id"
    " WHERE a.venue = %s ORDER BY a.id"
)
_KEPT_MARKETS = " ".join(("SELECT", _TRADED_BY, "FROM trading_market ORDER BY id"))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskReport:
    """What one tick did; ``holds`` False means another desk holds the lease and nothing was done."""

    holds: bool
    sent: int = 0
    fills: int = 0
    settled: int = 0
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class _Seat:
    """The desk's place at one account: its venue, and what was last written about it."""

    venue: PaperVenue
    books: reconcile.Books
    markets: dict[str, int]
    day: str = ""
    blind: bool = True
    trouble: str = ""
    memory: guard.Memory = field(default_factory=guard.Memory)
    said: desk_status.Said | None = None
    status_at: datetime | None = None


class Desk:
    """Sends orders for every account that trades, while it holds the lease.

    owner: a name no other process has.  lease_ttl: how long it may be silent and keep the lease.
    clock: read again once a claim holds its locks, which may take seconds; without it a tick's ``now`` stands.
    watch: the wall clock beside the monotonic one; ``run`` makes one where none is given.
    on_step: called with the name of each step between claim and answer, so that a test can end the
    process there.
    """

    def __init__(
        self,
        owner: str,
        *,
        lease_ttl: timedelta = leases.TTL,
        clock: Callable[[], datetime] | None = None,
        watch: clocks.Watch | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self.owner = owner
        self.lease_ttl = lease_ttl
        self._clock = clock
        self._watch = watch
        self._on_step = on_step or (lambda _step: None)
        self._seats: dict[int, _Seat] = {}
        self._fencing: int | None = None
        self._renewed_at = self._listed_at = utc_from_ms(0)
        self._accounts: list[Account] = []
        self._kept: list[Any] = []
        self._outside: tuple[str, ...] = ()

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set, then let go of the lease.

        After an error everything is read again from the rows, as after a start; an error that stays
        ends the process, so that whoever supervises it sees it.
        """
        failures = 0
        self._clock = self._clock or timezone.now
        self._watch = self._watch or clocks.Watch()
        try:
            while not stop.is_set():
                failures = 0 if self._tick_guarded() else failures + 1
                if failures > FAILURES_BORNE:
                    raise RuntimeError(f"the desk failed {failures} times in a row; its log says why")
                close_old_connections()
                stop.wait(PAUSE.total_seconds())
        finally:
            leases.release(name=claims.LEASE, owner=self.owner, now=timezone.now())

    def _tick_guarded(self) -> bool:
        try:
            self.tick(now=timezone.now())
        except Exception:
            log.exception("The desk failed; it reads everything again")
            self._seats, self._fencing, self._kept = {}, None, []
            return False
        return True

    def tick(self, *, now: datetime) -> DeskReport:
        """One round over all accounts: venue, reconciliation, exits, claims, snapshots."""
        if self._watch is not None:
            # Before anything may wait, and by a look of its own: a stall since ``now`` is no set clock.
            clocks.check(self._watch, now=self._clock() if self._clock else now)
        fencing = self._hold(now=now)
        if fencing is None:
            if self._watch is not None:
                clocks.check_start(claims.LEASE, now=now)
            self._seats, self._fencing = {}, None
            return DeskReport(holds=False)
        if fencing != self._fencing:
            # A new number means that someone else may have written in between.
            self._seats, self._fencing = {}, fencing
        if not timedelta(0) <= now - self._listed_at <= ACCOUNTS_EVERY:
            self._list_accounts(now=now)
        self._tell_outside(now=now)
        reports = self._all_accounts(now=now)
        return DeskReport(
            holds=True,
            sent=sum(r.sent for r in reports),
            fills=sum(r.fills for r in reports),
            settled=sum(r.settled for r in reports),
            reasons=tuple(reason for r in reports for reason in r.reasons),
        )

    def _list_accounts(self, *, now: datetime) -> None:
        """Read which accounts there are, and how their markets trade; objects are made anew only of changed rows."""
        kept = [rows.query(_KEPT_ACCOUNTS, (PaperVenue.name,)), rows.query(_KEPT_MARKETS)]
        self._listed_at = now
        if kept == self._kept:
            return
        self._accounts, self._kept = _accounts(), kept
        for account in self._accounts:
            if (seat := self._seats.get(account.pk)) is not None:
                seat.markets = paper.refresh(seat.venue, account)

    def _hold(self, *, now: datetime) -> int | None:
        """Take or renew the lease; a young one is not written again. A claim checks it in the rows anyway."""
        if self._fencing is not None and timedelta(0) <= now - self._renewed_at < self.lease_ttl / 5:
            return self._fencing
        fencing = leases.acquire(
            name=claims.LEASE, owner=self.owner, now=now, ttl=self.lease_ttl, fencing=self._fencing
        )
        self._renewed_at = now
        return fencing

    def _tell_outside(self, *, now: datetime) -> None:
        """Write down when the HALT file or the environment begins or ceases to halt: no row of the switch says so."""
        found = kill_switch.outside()
        if found == self._outside:
            return
        text = (
            f"HALTED: {'; '.join(found)}."
            if found
            else "Neither a HALT file nor the environment halts any more."
        )
        events.record("halt_outside", now=now, text=text, severity="warning" if found else "info")
        self._outside = found

    def _all_accounts(self, *, now: datetime) -> list[DeskReport]:
        """Attend to every account; what fails at one is raised after the others had their turn."""
        reports: list[DeskReport] = []
        errors: list[Exception] = []
        for account in self._accounts:
            try:
                reports.append(self._account(account, now=now))
            except Exception as error:  # the others have their turn first
                errors.append(error)
        if errors:
            raise errors[0] if len(errors) == 1 else ExceptionGroup("accounts could not be served", errors)
        return reports

    def _account(self, account: Account, *, now: datetime) -> DeskReport:
        """Attend to one account; a venue that fails is told of and asked again at the next tick."""
        try:
            return self._attend(account, now=now)
        except (VenueUnavailable, VenueUnknownOutcome) as error:
            self._seats.pop(account.pk, None)
            what = "unavailable" if isinstance(error, VenueUnavailable) else "lost an answer"
            _unseen(account, f"venue {what}: {error}", now=now)
            return DeskReport(holds=True, reasons=(str(error),))
        except Exception as error:
            self._seats.pop(account.pk, None)
            _unseen(account, f"the desk failed: {type(error).__name__}: {error}", now=now)
            raise

    def _attend(self, account: Account, *, now: datetime) -> DeskReport:
        """One round at one account; what protects it comes before everything that could cost it money."""
        seat = self._seat(account)
        moved = paper.advance(seat.venue, seat.markets, now=now)
        found = reconcile.run(account, seat.books, now=now)
        if found.fills:
            runaway.after_fills(account, now=now)
            seat.memory.forget_day()
        view = seat.venue.view(now=now)
        finding = self._look(account, seat, view, now=now)
        if not finding.readable:
            return self._unreadable(account, seat, view, found, finding, now=now)
        if finding.well:
            self._begin_day(account, seat, view, now=now)
        held = guard.look_after(
            account,
            seat.memory,
            seat.venue,
            view,
            outside=self._outside,
            certain=finding.well and not found.difference,
            on_step=self._on_step,
            now=now,
        )
        if held.lived:
            return self._lived(account, now=now)
        trouble = found.difference or finding.sentence or held.trouble
        first = seat.status_at is None
        self._report(account, seat, view, trouble, now=now)
        if first and not held.trouble:
            risk.snapshot(account, now=now, trigger="desk_start", view=view)
        asked = claims.ask_time_exits(account, found.overdue, now=now)
        passes = _passes(found, opens=not trouble)
        sent = self._send_due(account, seat, (*held.intents, *asked, *found.pending), passes, now=now)
        if moved or found.fills or found.settled or sent or held.trigger:
            view = seat.venue.view(now=now)
            self._report(account, seat, view, trouble, now=now, force=True)
            trigger = "fill" if found.fills else held.trigger or "order"
            if not held.trouble:
                risk.snapshot(account, now=now, trigger=trigger, view=view)
        return DeskReport(holds=True, sent=sent, fills=found.fills, settled=found.settled)

    def _look(self, account: Account, seat: _Seat, view: AccountView, *, now: datetime) -> sentinel.Finding:
        """Ask the sentinel, and write down what it found when it is not well, or well again."""
        finding = sentinel.look(account, view, now=now)
        if not finding.well:
            seat.blind = True
            sentinel.note(account, finding, exposed=sentinel.exposed(account), now=now)
        elif seat.blind:
            sentinel.clear(account)
            seat.blind = False
        return finding

    def _unreadable(
        self,
        account: Account,
        seat: _Seat,
        view: AccountView,
        found: reconcile.Reconciled,
        finding: sentinel.Finding,
        *,
        now: datetime,
    ) -> DeskReport:
        """Nothing may be reckoned with such a view; in an account that is ours, exits still go out."""
        desk_status.not_ready(account, finding.sentence, now=now)
        # What was written last is no longer what the row says.
        seat.said, seat.trouble = None, finding.sentence
        sent = 0
        if finding.ours:
            sent = self._send_due(account, seat, found.pending, _passes(found, opens=False), now=now)
        reasons = (finding.sentence,)
        return DeskReport(holds=True, sent=sent, fills=found.fills, settled=found.settled, reasons=reasons)

    def _lived(self, account: Account, *, now: datetime) -> DeskReport:
        """A step of the account's life was carried out or refused: everything about it is read again."""
        self._seats.pop(account.pk, None)
        self._listed_at = utc_from_ms(0)
        fresh = Account.objects.select_related("programme__profile").get(pk=account.pk)
        view = self._seat(fresh).venue.view(now=now)
        risk.snapshot(fresh, now=now, trigger="life", view=view)
        return DeskReport(holds=True)

    def _begin_day(self, account: Account, seat: _Seat, view: AccountView, *, now: datetime) -> None:
        """Record the day's start once everything that may have filled before it is known.

        A position whose bars before midnight have not come yet may have been stopped out by then: until
        they are seen the day's start stays unproven, and nothing is opened.
        """
        clock = account.programme.clock
        today = clock.day(now)
        if seat.day == str(today):
            return
        midnight = ms_from_utc(clock.bounds(today)[0])
        if all(seen_to >= midnight for seen_to in seat.venue.exposed().values()):
            days.ensure_day(account, view=view, now=now)
            seat.day = str(today)
            seat.memory.forget_day()

    def _seat(self, account: Account) -> _Seat:
        if account.pk not in self._seats:
            venue = paper.venue_for(account)
            venue.fence(self._fencing or 0)
            books = reconcile.books_for(account, venue)
            seat = _Seat(venue=venue, books=books, markets=paper.refresh(venue, account))
            self._seats[account.pk] = seat
        return self._seats[account.pk]

    def _report(
        self,
        account: Account,
        seat: _Seat,
        view: AccountView,
        trouble: str,
        *,
        now: datetime,
        force: bool = False,
    ) -> None:
        """Write what the venue shows, every few seconds and on every change."""
        recently = seat.status_at is not None and timedelta(0) <= now - seat.status_at < STATUS_EVERY
        if recently and not force and trouble == seat.trouble:
            return
        if trouble and trouble != seat.trouble:
            desk_status.tell_trouble(account, trouble, now=now)
        seat.status_at, seat.trouble = now, trouble
        seat.said = desk_status.say(account, view, trouble, before=seat.said, now=now)

    # -- sending ------------------------------------------------------------------------------

    def _send_due(
        self,
        account: Account,
        seat: _Seat,
        intents: tuple[int, ...],
        passes: Callable[[OrderIntent], bool],
        *,
        now: datetime,
    ) -> int:
        """Claim and send what waits and may pass, what leaves the market first; the number that reached the venue."""
        sent = 0
        due = [OrderIntent.objects.select_related("market", "signal__market").get(pk=pk) for pk in intents]
        for intent in sorted(due, key=lambda one: Action(one.action) is Action.OPEN):
            if passes(intent):
                fresh = Account.objects.select_related("programme__profile").get(pk=account.pk)
                sent += self._send(fresh, seat, intent, now=now)
        return sent

    def _send(self, account: Account, seat: _Seat, intent: OrderIntent, *, now: datetime) -> bool:
        view, margin = seat.venue.view(now=now), margins.by_venue(seat.venue, intent, now=now)
        if not self._claim(account, intent, view, now=now, margin=margin):
            return False
        self._on_step("claimed")
        now = intent.claimed_at or now
        request = claims.request(intent)
        try:
            placed = seat.venue.send(request, fencing=self._fencing or 0, now=now)
        except VenueRejected as error:
            answer = f"The venue refused: {error.code}, {error}."
            reconcile.settle(intent, IntentState.REJECTED, answer=answer, now=now, severity="warning")
            return False
        except VenueUnavailable as error:
            answer = f"The venue could not be reached, nothing was sent: {error}."
            reconcile.settle(intent, IntentState.REJECTED, answer=answer, now=now, severity="warning")
            raise
        except Exception as error:
            reconcile.unknown(intent, f"The venue's answer was lost: {error}.", now=now)
            raise
        self._on_step("sent")
        reconcile.place(intent, seat.books, placed.ticket, adopted=False, now=now)
        self._on_step("placed")
        return True

    def _claim(
        self,
        account: Account,
        intent: OrderIntent,
        view: AccountView,
        *,
        now: datetime,
        margin: Margin | None = None,
    ) -> bool:
        return claims.claim(account, intent, view, hand=self._hand(), now=now, margin=margin)

    def _hand(self) -> claims.Hand:
        hand = claims.Hand(owner=self.owner, fencing=self._fencing or 0, clock=self._clock)
        return replace(hand, steady=self._watch.steady) if self._watch else hand


def _accounts() -> list[Account]:
    """Accounts whose venue this desk serves. Observing accounts are looked after too: they may hold positions."""
    return list(
        Account.objects.filter(venue=PaperVenue.name).select_related("programme__profile").order_by("pk")
    )


def _passes(found: reconcile.Reconciled, *, opens: bool) -> Callable[[OrderIntent], bool]:
    """What may be sent: all, only exits when something is wrong, only a flatten when positions differ."""

    def passes(intent: OrderIntent) -> bool:
        if found.difference:
            return Action(intent.action) is not Action.OPEN and intent.reason == ExitReason.FLATTEN
        return opens or Action(intent.action) is not Action.OPEN

    return passes


def _unseen(account: Account, reason: str, *, now: datetime) -> None:
    """Nothing was seen of an account: it is not ready, and after a minute with something at stake it is HALTED."""
    desk_status.not_ready(account, reason, now=now)
    blind = sentinel.Finding(sentence=reason, readable=False)
    sentinel.note(account, blind, exposed=sentinel.exposed(account), now=now)
