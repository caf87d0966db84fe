"""The panel as a Django app; it stands before ``unfold`` so that its templates are found first."""

from django.apps import AppConfig


class PanelConfig(AppConfig):
    name = "crpbot_site.panel"
    label = "panel"
    verbose_name = "Panel"
