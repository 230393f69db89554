"""Django's admin for what has no page of its own: regions, and what agents hold, to be read.

Clusters are registered, changed and removed on their pages, where the action tells the gateway.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from clusters import actions
from clusters.models import AgentCertificate, ClusterEvent, Region
from fleet_portal.common.admin import PortalAdmin, actor_of


@admin.register(Region)
class RegionAdmin(PortalAdmin):
    """Regions: the name stays, since clusters and placements speak of it."""

    list_display = ("name", "label")

    def save_model(self, request: HttpRequest, obj: Region, form: Any, change: bool) -> None:
        actions.save_region(obj, actor_of(request))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Region | None = None) -> Any:
        return ("name",) if obj else ()


class ReadOnlyAdmin(PortalAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(AgentCertificate)
class AgentCertificateAdmin(ReadOnlyAdmin):
    list_display = ("serial", "cluster", "created_at", "not_after", "revoked_at")
    list_select_related = ("cluster",)


@admin.register(ClusterEvent)
class ClusterEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "cluster", "kind", "message")
    list_filter = ("kind",)
    list_select_related = ("cluster",)
