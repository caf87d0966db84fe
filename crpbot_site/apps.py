"""The appliance as a Django application: its commands, checks and panel."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "crpbot_site"
    verbose_name = "CRPBot"
    default_auto_field = "django.db.models.BigAutoField"
