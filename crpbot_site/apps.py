"""The appliance as a Django application: its commands, checks and panel."""

from django.apps import AppConfig

from crpbot_site import celery, system_checks


class SiteConfig(AppConfig):
    name = "crpbot_site"
    verbose_name = "CRPBot"
    default_auto_field = "django.db.models.BigAutoField"
    # Loaded with the application, so that every process sends tasks through it and runs our checks.
    wiring = (celery, system_checks)
