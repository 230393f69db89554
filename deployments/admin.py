"""Read-only: what runs where is changed by pages and REST, which know the rules."""

from django.contrib import admin

from deployments.models import Application, DesiredSet, Override, Revision, Rollout, Target
from fleet_portal.common.admin import ReadOnlyAdmin


@admin.register(Application)
class ApplicationAdmin(ReadOnlyAdmin):
    list_display = ("name", "project", "namespace", "system", "created_at", "deleting_at")
    list_filter = ("system",)
    search_fields = ("name", "project__slug")
    list_select_related = ("project",)


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ("application", "number", "author_name", "created_at", "digest")
    search_fields = ("application__name",)
    list_select_related = ("application",)


@admin.register(Override)
class OverrideAdmin(ReadOnlyAdmin):
    list_display = ("application", "name", "priority")
    list_select_related = ("application",)


@admin.register(Rollout)
class RolloutAdmin(ReadOnlyAdmin):
    list_display = ("id", "application", "revision", "state", "started_by_name", "created_at")
    list_filter = ("state",)
    list_select_related = ("application", "revision__application")


@admin.register(Target)
class TargetAdmin(ReadOnlyAdmin):
    list_display = ("application", "cluster", "sync", "health", "reason", "observed_at")
    list_filter = ("sync", "health")
    search_fields = ("application__name", "cluster__name")
    list_select_related = ("application", "cluster")


@admin.register(DesiredSet)
class DesiredSetAdmin(ReadOnlyAdmin):
    list_display = (
        "project", "cluster", "epoch", "sequence", "acked_epoch", "acked_sequence", "reason",
    )  # fmt: skip
    list_select_related = ("project", "cluster")
