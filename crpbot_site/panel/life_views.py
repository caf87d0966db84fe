"""The life of an account as guided pages: choose a step, see both sides, give a reason and type its words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crpbot_site.panel import life_words
from crpbot_site.panel.forms import LifeForm, ReasonForm
from crpbot_site.panel.glance import glance
from crpbot_site.panel.pages import meant, page
from trading.models import Account, LifeKind
from trading.selectors import life_page
from trading.services import life


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Periods, steps and payments of the shown account; superusers see the steps they may ask for."""
    return _overview(request)


def _overview(request: HttpRequest, refused: tuple[str, ...] = ()) -> HttpResponse:
    seen = glance(request)
    if seen.account is None:
        return page(
            request, "panel/life.html", "Account life", {"verdict": life_words.verdict(seen, None, None)}
        )
    account_id = seen.account.pk
    waiting, periods = life_page.waiting(account_id), life_page.periods(account_id)
    present = next((period for period in periods if period.ended_at is None), None)
    given = {
        "verdict": life_words.verdict(seen, waiting, present),
        "waiting": waiting,
        "periods": periods,
        "actions": life_page.actions(account_id),
        "payments": life_page.payments(account_id),
        "steps": life_words.STEPS,
        "refused": refused,
    }
    return page(request, "panel/life.html", "Account life", given, status=409 if refused else 200)


@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, kind: str) -> HttpResponse:
    """One step: its figures, then both sides, then the reason and the words; superusers only."""
    if not request.user.is_superuser:
        raise PermissionDenied
    if kind not in set(LifeKind):
        raise Http404(f"there is no step {kind}")
    account = meant(request, glance(request))
    if account is None:
        return redirect("panel:life")
    form = LifeForm(kind, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if "ask" in request.POST:
            return _ask(request, account, kind, form)
        return _step(request, account, kind, form, look=True)
    return _step(request, account, kind, form, look=False)


def _ask(request: HttpRequest, account: Account, kind: str, form: LifeForm) -> HttpResponse:
    """Ask for the step as it was shown; what is missing is said, and nothing is written."""
    said = ReasonForm(request.POST)
    said.is_valid()
    try:
        life.ask(
            account_id=account.pk,
            kind=kind,
            by_user_id=int(request.user.pk or 0),
            reason=said.cleaned_data.get("reason", ""),
            phrase=said.cleaned_data.get("phrase", ""),
            now=timezone.now(),
            **_wish(form),
        )
    except life.LifeRefused as error:
        return _step(request, account, kind, form, look=True, refused=error.missing)
    messages.info(request, f"{life_words.title(kind)} is asked for.")
    return redirect("panel:life")


def _wish(form: LifeForm) -> dict[str, Any]:
    """What the form says, in the words of the service."""
    names: dict[str, Decimal | str | None] = {"amount": None, "initial": None, "programme": "", "number": ""}
    return {name: form.cleaned_data.get(name) or empty for name, empty in names.items()}


def _step(
    request: HttpRequest,
    account: Account,
    kind: str,
    form: LifeForm,
    *,
    look: bool,
    refused: tuple[str, ...] = (),
) -> HttpResponse:
    looked = None
    if look:
        looked = life.preview(account_id=account.pk, kind=kind, now=timezone.now(), **_wish(form))
    mistakes = () if looked is None else looked.mistakes
    titles = {profile.name: profile.title for profile in life_page.programmes()}
    known = life_words.BY_KIND[LifeKind(kind)]
    given = {
        "step": known,
        "form": form,
        "looked": looked,
        "lines": [] if looked is None else life_words.lines(looked, titles),
        "refused": [line for line in refused if line not in mistakes],
        "reason": request.POST.get("reason", ""),
        "waiting": life_page.waiting(account.pk),
        "settled": looked is not None and not mistakes,
    }
    return page(request, "panel/life_step.html", known.title, given, status=409 if refused else 200)


@require_POST
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """Take back a step that waits; superusers only."""
    if not request.user.is_superuser:
        raise PermissionDenied
    account = meant(request, glance(request))
    action = None if account is None else life_page.action(account.pk, number)
    if action is None:
        raise Http404(f"the shown account has no step {number}")
    said = ReasonForm(request.POST)
    said.is_valid()
    try:
        life.withdraw(
            action.pk,
            by_user_id=int(request.user.pk or 0),
            reason=said.cleaned_data.get("reason", ""),
            now=timezone.now(),
        )
    except life.LifeRefused as error:
        return _overview(request, error.missing)
    return redirect("panel:life")
