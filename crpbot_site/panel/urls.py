"""Addresses of the panel's own pages; the lists of rows are the admin's."""

from django.contrib import admin
from django.urls import path

from crpbot_site.panel import life_views, risk_views, views

app_name = "panel"


# Staff only, as every page of the admin; others are sent to the login page.
guarded = admin.site.admin_view

urlpatterns = [
    path("halt/", guarded(views.halt), name="halt"),
    path("resume/", guarded(views.resume), name="resume"),
    path("why/", guarded(views.why), name="why"),
    path("risk/", guarded(risk_views.risk), name="risk"),
    path("risk/pass/", guarded(risk_views.risk_pass), name="risk_pass"),
    path("risk/reopen/", guarded(risk_views.reopen), name="reopen"),
    path("life/", guarded(life_views.overview), name="life"),
    path("life/withdraw/<int:number>/", guarded(life_views.withdraw), name="life_withdraw"),
    path("life/<slug:kind>/", guarded(life_views.step), name="life_step"),
    path("flatten/", guarded(views.flatten), name="flatten"),
    path("system/", guarded(views.health), name="health"),
    path("rows/", guarded(views.rows), name="rows"),
    path("account/", guarded(views.choose_account), name="account"),
    path("parts/bar/", guarded(views.bar_parts), name="bar_parts"),
    path("parts/risk/", guarded(risk_views.risk_parts), name="risk_parts"),
    path("parts/overview/", guarded(views.overview_parts), name="overview_parts"),
]
