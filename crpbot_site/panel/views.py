"""Pages of the panel: reads for everyone on the staff, two forms that change the switch."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crpbot_site.health import findings
from crpbot_site.panel import context, words
from crpbot_site.panel.forms import FLATTEN, HaltForm, ResumeForm
from crpbot_site.panel.glance import ACCOUNT_CHOICE, HALT_RIGHT, Glance, glance
from crpbot_site.panel.pages import back, page
from trading.core.types import TradingState
from trading.selectors import answers, overview, panel, readiness, risk_page
from trading.selectors import words as codes
from trading.services import kill_switch


@require_GET
@never_cache
def bar_parts(request: HttpRequest) -> HttpResponse:
    """The parts of the state bar, for the polls of every page."""
    return TemplateResponse(request, "panel/parts/bar.html", {"glance": glance(request)})


@require_GET
@never_cache
def overview_parts(request: HttpRequest) -> HttpResponse:
    """The parts of the overview and of the state bar, for its polls."""
    return TemplateResponse(request, "panel/parts/overview.html", context.figures(glance(request)))


@require_GET
def why(request: HttpRequest) -> HttpResponse:
    """Why nothing happened today."""
    seen = glance(request)
    found = answers.today(seen.account, seen.day, now=seen.now) if seen.account else None
    verdict, latest = None, []
    if found is not None:
        top = next((row for row in found.rows if row.kind != "order"), None)
        verdict = words.why_nothing(seen, found.funnel, codes.reason(top.code) if top else "")
        latest = [*found.latest.newest, *found.latest.earlier][: context.ANSWERS_SHOWN]
    return page(
        request, "panel/why.html", "Why nothing?", {"answers": found, "latest": latest, "verdict": verdict}
    )


@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """The readiness checks with what to do, beside feeds, tasks, the desk and the leases."""
    seen = glance(request)
    markets = overview.shown_markets()
    found = findings(now=seen.now)
    given = {
        "findings": found,
        "prices": overview.prices(markets),
        "missing": {gap.market.pk: gap for gap in overview.missing_minutes(markets, now=seen.now)},
        "tasks": overview.tasks(),
        "leases": overview.leases(),
        "desks": panel.desks(),
        "price_promise": context.PRICE_PROMISE,
        "verdict": words.health(seen, found),
    }
    return page(request, "panel/health.html", "Health", given)


@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """Every list of rows that this person may see."""
    return page(request, "panel/rows.html", "All rows", {"app_list": admin.site.get_app_list(request)})


@require_POST
def choose_account(request: HttpRequest) -> HttpResponse:
    """Remember whose numbers this person wants to see."""
    number = request.POST.get("number", "")
    if any(account.number == number for account in panel.accounts()):
        request.session[ACCOUNT_CHOICE] = number
    return back(request)


@require_http_methods(["GET", "POST"])
def halt(request: HttpRequest) -> HttpResponse:
    """Stop trading: a page that asks, and the answer of its form or of the dialog on any page."""
    if not request.user.has_perm(HALT_RIGHT):
        raise PermissionDenied
    if request.method == "POST":
        form = HaltForm(request.POST)
        if form.is_valid():
            # The halt does not wait for the second question.
            closing = form.cleaned_data["state"] == FLATTEN
            _halt(request, TradingState.HALTED if closing else TradingState(form.cleaned_data["state"]))
            return redirect("panel:flatten") if closing else back(request)
    return page(request, "panel/halt.html", "Halt trading", {})


def _halt(request: HttpRequest, state: TradingState) -> None:
    by = request.user.get_username()
    try:
        changed = kill_switch.set_state(state, by=by, reason="asked on the panel", now=timezone.now())
    except kill_switch.LooseningRefused as error:
        messages.warning(request, f"Nothing was changed: {error}.")
        return
    if not changed:
        messages.info(request, f"Trading was {state.upper()} already.")


@require_http_methods(["GET", "POST"])
def flatten(request: HttpRequest) -> HttpResponse:
    """Close everything on every account: the question, and its answer; whoever may halt may ask for it."""
    if not request.user.has_perm(HALT_RIGHT):
        raise PermissionDenied
    if request.method == "POST":
        kill_switch.set_state(
            TradingState.HALTED,
            by=request.user.get_username(),
            reason="halt and close everything, asked on the panel",
            now=timezone.now(),
            flatten=True,
        )
        return redirect("admin:index")
    desks = panel.desks()
    held = [(desk, risk_page.positions_of(desk)) for desk in desks]
    given = {
        "held": [(desk, positions) for desk, positions in held if positions],
        "count": sum(len(positions) for _, positions in held),
        "closing": risk_page.flattens([desk.account_id for desk in desks]),
    }
    return page(request, "panel/flatten.html", "Close everything", given)


@require_http_methods(["GET", "POST"])
def resume(request: HttpRequest) -> HttpResponse:
    """Open trading again: a checklist that must hold, a reason, a typed word; superusers only."""
    if not request.user.is_superuser:
        raise PermissionDenied
    seen = glance(request)
    account_id = _scope(request, seen)
    refused: tuple[str, ...] = ()
    if request.method == "POST":
        form = ResumeForm(request.POST)
        form.is_valid()
        try:
            kill_switch.resume(
                user_id=int(request.user.pk or 0),
                reason=form.cleaned_data.get("reason", ""),
                phrase=form.cleaned_data.get("phrase", ""),
                now=timezone.now(),
                account_id=account_id,
            )
        except kill_switch.ResumeRefused as error:
            refused = error.missing
        else:
            return redirect("admin:index")
    return _resumepage(request, account_id, refused)


def _resumepage(request: HttpRequest, account_id: int | None, refused: tuple[str, ...]) -> HttpResponse:
    seen = glance(request)
    checklist = readiness.resume_checklist(now=seen.now, account_id=account_id)
    given = {
        "checklist": checklist,
        "against": [line for line in checklist if not line.ok],
        "refused": refused,
        "switch": panel.switch(account_id),
        "scope": account_id or "",
        "others": [other for other in panel.closed_switches() if other.account_id != account_id],
        "reason": request.POST.get("reason", ""),
    }
    return page(request, "panel/resume.html", "Resume trading", given, status=409 if refused else 200)


def _scope(request: HttpRequest, seen: Glance) -> int | None:
    """Whose switch is meant: the one named; else the account's when only that one is closed; else the global one."""
    named = request.POST.get("scope", request.GET.get("scope"))
    if named is not None:
        return int(named) if named.isdecimal() else None
    if seen.effective.source == "account" and seen.account is not None:
        return seen.account.pk
    return None
