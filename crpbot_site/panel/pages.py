"""What the panel's own pages share: the admin's frame, and the way back to where a form came from."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from crpbot_site.panel.glance import Glance
from trading.models import Account


def page(
    request: HttpRequest, template: str, title: str, given: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page of the panel inside the admin's frame."""
    everywhere = admin.site.each_context(request)
    request.current_app = admin.site.name
    values = {**everywhere, "title": title, "panel_page": True, **given}
    return TemplateResponse(request, template, values, status=status)


def back(request: HttpRequest, home: str = "admin:index") -> HttpResponseRedirect:
    """To the page the form came from, if it is one of ours; else to the page named."""
    asked = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        asked, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(asked if ours and asked else reverse(home))


def meant(request: HttpRequest, seen: Glance) -> Account | None:
    """The account that a form was shown for; Http404 when the one it names is not the one that would be changed."""
    named = request.GET.get("account")
    if named is not None and (seen.account is None or seen.account.number != named):
        raise Http404(f"there is no account {named}")
    return seen.account
