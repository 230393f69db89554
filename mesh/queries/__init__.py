"""Every read of the app, limited to what the viewer may see where there is a viewer."""

from mesh.queries.services import (
    clusters_in_scope,
    confirmed_clusters,
    default_hold_down,
    objects_by_cluster,
    routes_are_gone,
    service_visible_to,
    services_visible_to,
    sites_of,
    tick_seconds,
    window_seconds,
)
from mesh.queries.states import board, cause_text, lanes, periods_visible_to
from mesh.queries.traffic import edges_visible_to, is_limited, istio_ids, matrix

__all__ = [
    "board",
    "cause_text",
    "clusters_in_scope",
    "confirmed_clusters",
    "default_hold_down",
    "edges_visible_to",
    "is_limited",
    "istio_ids",
    "lanes",
    "matrix",
    "objects_by_cluster",
    "periods_visible_to",
    "routes_are_gone",
    "service_visible_to",
    "services_visible_to",
    "sites_of",
    "tick_seconds",
    "window_seconds",
]
