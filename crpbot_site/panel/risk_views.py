"""The Risk page, and the page on which a person reopens a lock of the total limit."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from crpbot_site.panel import risk_page
from crpbot_site.panel.forms import ReopenForm
from crpbot_site.panel.glance import Glance, glance
from crpbot_site.panel.pages import meant, page
from trading.selectors import risk_page as rows
from trading.services import levels


@require_GET
def risk(request: HttpRequest) -> HttpResponse:
    """How near the account is to its limits, and what each rule says now."""
    return page(request, "panel/risk.html", "Risk", risk_page.figures(glance(request)))


@require_GET
@never_cache
def risk_parts(request: HttpRequest) -> HttpResponse:
    """The parts of the Risk page and of the state bar, for its polls."""
    return TemplateResponse(request, "panel/risk/all_parts.html", risk_page.figures(glance(request)))


@require_GET
@never_cache
def risk_pass(request: HttpRequest) -> HttpResponse:
    """The Risk page with the pass probability worked out: about a second, so never on a page's own way."""
    given = {**risk_page.figures(glance(request)), **risk_page.chances(glance(request))}
    return page(request, "panel/risk.html", "Risk", given)


@require_http_methods(["GET", "POST"])
def reopen(request: HttpRequest) -> HttpResponse:
    """End the lock of the total limit: what stands against it, a reason, a typed word; superusers only."""
    if not request.user.is_superuser:
        raise PermissionDenied
    seen = glance(request)
    account = meant(request, seen)
    refused: tuple[str, ...] = ()
    if request.method == "POST" and account is not None:
        form = ReopenForm(request.POST)
        form.is_valid()
        try:
            levels.reopen(
                account.pk,
                int(request.user.pk or 0),
                form.cleaned_data.get("reason", ""),
                form.cleaned_data.get("phrase", ""),
                timezone.now(),
            )
        except levels.ReopenRefused as error:
            refused = error.missing
        else:
            messages.info(request, "The lock of the total limit has ended.")
            return redirect("panel:risk")
    return _reopen_page(request, seen, refused)


def _reopen_page(request: HttpRequest, seen: Glance, refused: tuple[str, ...]) -> HttpResponse:
    row = None if seen.account is None else rows.risk_row(seen.account.pk)
    locked = None if row is None else row.total_locked_at
    against: tuple[str, ...] = ()
    if seen.account is not None and locked is not None:
        against = levels.against_reopening(seen.account.pk, now=seen.now)
    given = {
        "locked": locked,
        "against": against,
        "refused": [line for line in refused if line not in against],
        "reason": request.POST.get("reason", ""),
    }
    return page(request, "panel/reopen.html", "Reopen the total limit", given, status=409 if refused else 200)
