"""The two questions that machines ask: does the process live, and is the appliance at work."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from crpbot_site import checks
from crpbot_site.logs import Redactor
from trading.services import kill_switch


def findings(*, now: datetime) -> list[checks.Finding]:
    """Every answer of the readiness checks, without secrets: for machines here, for people in the panel."""
    hide = Redactor((settings.SECRET_KEY, *settings.CRPBOT.secret_values())).clean
    return [replace(finding, text=hide(finding.text)) for finding in checks.run(checks.READY, now=now)]


@never_cache
@require_safe
def live(_request: HttpRequest) -> JsonResponse:
    """200 while this process answers at all."""
    return JsonResponse({"live": True})


@never_cache
@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when everything that trading needs is at work, else 503; either way with every answer."""
    found = findings(now=timezone.now())
    well = checks.worst(found) is not checks.Verdict.FAIL
    body = {
        "ready": well,
        "state": kill_switch.effective().state.value,
        "reasons": [f"{f.check}: {f.text}" for f in found if f.verdict is not checks.Verdict.OK],
        "checks": {finding.check: finding.verdict.value for finding in found},
    }
    return JsonResponse(body, status=200 if well else 503)
