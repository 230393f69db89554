"""The live parts of the mesh's pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from clusters.queries import clusters_visible_to
from fleet_portal.common.access import Access
from fleet_portal.common.home import panels
from fleet_portal.common.live.fragments import Fragment, registry
from mesh import queries
from mesh.models import MeshService
from mesh.queries.services import parts_of, service_rows
from mesh.queries.states import states_of


def board_context(access: Access, key: str) -> Mapping[str, Any] | None:
    """`key`: nothing where the board leads on to the page of regions, "regions" on that page."""
    if not access.sees_anything:
        return None
    rows = queries.board(access, timezone.now())
    return {"rows": rows, "leads_on": not key, "limited": queries.is_limited(access)}


def matrix_context(access: Access, key: str) -> Mapping[str, Any] | None:
    """`key`: a service's id, or nothing for all services."""
    if not access.sees_anything or (key and _service(access, key) is None):
        return None
    return {"matrix": queries.matrix(access, timezone.now(), int(key) if key else None)}


def lanes_context(access: Access, key: str) -> Mapping[str, Any] | None:
    """`key`: minutes shown, and after a hyphen a service's id."""
    window, _, service = key.partition("-")
    if not access.sees_anything or (service and _service(access, service) is None):
        return None
    return {"lanes": queries.lanes(timezone.now(), window, int(service) if service else None)}


def services_context(access: Access, key: str) -> Mapping[str, Any] | None:
    if not access.sees_anything:
        return None
    return {"rows": service_rows(access)}


def service_context(access: Access, key: str) -> Mapping[str, Any] | None:
    """`key`: a service's id, and after a hyphen its system application's."""
    service = _service(access, key.partition("-")[0])
    if service is None:
        return None
    return {"service": service, "parts": parts_of(service), "states": states_of(service.pk)}


def clusters_context(access: Access, key: str) -> Mapping[str, Any] | None:
    if not access.sees_anything:
        return None
    return {"clusters": list(clusters_visible_to(access).select_related("region", "mesh"))}


def _service(access: Access, key: str) -> MeshService | None:
    if not key.isdecimal():
        return None
    return queries.services_visible_to(access).filter(pk=int(key)).first()


def _service_topics(key: str) -> list[str]:
    """The page also says how far the objects are, which deployments announces."""
    service, _, application = key.partition("-")
    return [f"mesh-service:{service}", *([f"application:{application}"] if application else [])]


def _lane_topics(key: str) -> list[str]:
    service = key.partition("-")[2]
    return [f"mesh-service:{service}"] if service else ["region-state:any"]


BOARD = panels.register(
    30,
    Fragment(
        "mesh-board",
        "mesh/fragments/board.html",
        lambda key: ["traffic:any", "region-state:any", "region:any"],
        board_context,
    ),
    wide=True,
)
MATRIX = registry.register(
    Fragment(
        "mesh-matrix",
        "mesh/fragments/matrix.html",
        lambda key: ["traffic:any", "region:any"],
        matrix_context,
    )
)
LANES = registry.register(
    Fragment("mesh-lanes", "mesh/fragments/lanes.html", _lane_topics, lanes_context)
)
SERVICES = registry.register(
    Fragment(
        "mesh-services",
        "mesh/fragments/services.html",
        lambda key: ["mesh-service:any"],
        services_context,
    )
)
SERVICE = registry.register(
    Fragment(
        "mesh-service",
        "mesh/fragments/service.html",
        _service_topics,
        service_context,
    )
)
CLUSTERS = registry.register(
    Fragment(
        "mesh-clusters",
        "mesh/fragments/clusters.html",
        lambda key: ["mesh-cluster:any", "cluster:members"],
        clusters_context,
    )
)
