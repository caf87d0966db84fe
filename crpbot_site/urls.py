"""Every address of the panel."""

from django.contrib import admin
from django.urls import include, path

from crpbot_site import health

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("", include("crpbot_site.panel.urls")),
    path("", admin.site.urls),
]
