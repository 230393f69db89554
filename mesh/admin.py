"""The mesh's rows for administrators: to look at, not to change; actions keep rows together."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from mesh.models import ClusterMesh, MeshService, StatePeriod


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(MeshService)
class MeshServiceAdmin(ReadOnly):
    list_display = ("namespace", "name", "project", "removing")
    list_filter = ("project",)


@admin.register(ClusterMesh)
class ClusterMeshAdmin(ReadOnly):
    list_display = ("cluster", "network", "asked_at", "sampled_at", "error")


@admin.register(StatePeriod)
class StatePeriodAdmin(ReadOnly):
    list_display = ("region", "service", "state", "cause", "started_at", "ended_at")
    list_filter = ("state", "region")
