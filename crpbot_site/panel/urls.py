"""Addresses of the panel's own pages; the lists of rows are the admin's."""

from django.contrib import admin
from django.urls import path

from crpbot_site.panel import views

app_name = "panel"


def _guarded(view: object) -> object:
    """Staff only, as every page of the admin; others are sent to the login page."""
    return admin.site.admin_view(view)  # type: ignore[arg-type]  # a plain view function


urlpatterns = [
    path("halt/", _guarded(views.halt), name="halt"),
    path("resume/", _guarded(views.resume), name="resume"),
    path("why/", _guarded(views.why), name="why"),
    path("system/", _guarded(views.health), name="health"),
    path("rows/", _guarded(views.rows), name="rows"),
    path("account/", _guarded(views.choose_account), name="account"),
    path("parts/bar/", _guarded(views.bar_parts), name="bar_parts"),
    path("parts/overview/", _guarded(views.overview_parts), name="overview_parts"),
]
