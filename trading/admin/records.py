"""Lists of the record: events, tasks, the switch, leases, the desk's last word."""

from __future__ import annotations

from django.contrib import admin

from trading.admin.base import FactAdmin
from trading.models import DeskStatus, Event, KillSwitch, Lease, RiskSnapshot, TaskHealth, TaskRun


@admin.register(Event)
class EventAdmin(FactAdmin):
    list_display = ("at", "severity", "event_kind", "text", "by", "account", "market", "badge")
    list_filter = ("severity", "account", ("market", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=kind", "text", "=by")
    list_select_related = ("account", "market")

    @admin.display(description="kind", ordering="kind")
    def event_kind(self, event: Event) -> str:
        return event.kind


@admin.register(RiskSnapshot)
class RiskSnapshotAdmin(FactAdmin):
    list_display = (
        "at",
        "account",
        "badge",
        "trigger",
        "state",
        "level",
        "equity",
        "worst_case",
        "headroom",
        "used_daily",
        "used_total",
        "daily_floor",
        "total_floor",
        "open_positions",
    )
    list_filter = ("level", "trigger", "account")
    list_select_related = ("account",)
    ordering = ("-id",)


@admin.register(TaskRun)
class TaskRunAdmin(FactAdmin):
    list_display = ("started_at", "task", "state", "finished_at", "queue", "worker", "result", "error")
    list_filter = ("state", "queue")
    search_fields = ("task", "=run_id", "error")


@admin.register(TaskHealth)
class TaskHealthAdmin(FactAdmin):
    list_display = ("task", "last_success_at", "last_failure_at", "failures_in_a_row")
    search_fields = ("task",)


@admin.register(KillSwitch)
class KillSwitchAdmin(FactAdmin):
    """The stored states; Halt and Resume have pages of their own, which write here with an event."""

    list_display = ("__str__", "badge", "state", "reason", "changed_by", "changed_at")
    list_filter = ("state",)
    list_select_related = ("account",)


@admin.register(Lease)
class LeaseAdmin(FactAdmin):
    list_display = ("name", "owner", "fencing", "renewed_at", "expires_at")


@admin.register(DeskStatus)
class DeskStatusAdmin(FactAdmin):
    list_display = ("account", "badge", "ready", "reason", "seen_at", "reconciled_at", "balance", "equity")
    list_filter = ("ready",)
    list_select_related = ("account",)
