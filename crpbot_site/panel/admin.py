"""People, groups and schedules in the panel's dress."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

for model in (User, Group, PeriodicTask, ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(User)
class PeopleAdmin(UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_fullwidth = True


@admin.register(Group)
class RoleAdmin(GroupAdmin, ModelAdmin):
    list_fullwidth = True


class TaskChoice(UnfoldAdminSelectWidget, beat.TaskSelectWidget):
    """The registered tasks, in the theme's select."""


class ScheduledTaskForm(beat.PeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskChoice()


@admin.register(PeriodicTask)
class ScheduledTaskAdmin(beat.PeriodicTaskAdmin, ModelAdmin):
    form = ScheduledTaskForm
    list_fullwidth = True
    change_form_template = "admin/change_form.html"  # the package's own adds an inline script
    list_display = ("name", "enabled", "scheduler", "expire_seconds", "queue", "last_run_at")
    list_filter = ("enabled", "one_off")
    date_hierarchy = None


@admin.register(IntervalSchedule)
class EveryAdmin(ModelAdmin):
    list_fullwidth = True


@admin.register(CrontabSchedule)
class CrontabAdmin(ModelAdmin):
    list_fullwidth = True
    list_display = ("__str__", "human_readable")


@admin.register(SolarSchedule)
class SunAdmin(ModelAdmin):
    list_fullwidth = True


@admin.register(ClockedSchedule)
class OnceAdmin(ModelAdmin):
    list_fullwidth = True
