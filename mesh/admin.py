"""The mesh's rows for administrators: to look at, not to change; actions keep rows together."""

from django.contrib import admin

from fleet_portal.common.admin import ReadOnlyAdmin
from mesh.models import ClusterMesh, MeshService, StatePeriod


@admin.register(MeshService)
class MeshServiceAdmin(ReadOnlyAdmin):
    list_display = ("namespace", "name", "project", "removing")
    list_filter = ("project",)


@admin.register(ClusterMesh)
class ClusterMeshAdmin(ReadOnlyAdmin):
    list_display = ("cluster", "network", "asked_at", "sampled_at", "error")


@admin.register(StatePeriod)
class StatePeriodAdmin(ReadOnlyAdmin):
    list_display = ("region", "service", "state", "cause", "started_at", "ended_at")
    list_filter = ("state", "region")
