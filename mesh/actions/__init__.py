"""Every write of the app: rows, audit entry and announcement, in one transaction.

Callers have judged access. People's changes are in `services.py` and `clusters.py`, what loops
record in `observing.py`.
"""

from mesh.actions.clusters import set_cluster_mesh
from mesh.actions.observing import (
    drop_old_periods,
    record_error,
    record_placements,
    record_states,
    record_traffic,
)
from mesh.actions.services import (
    add_routes,
    change_service,
    distribute,
    finish_removal,
    mark_reachable,
    unmark,
)

__all__ = [
    "add_routes",
    "change_service",
    "distribute",
    "drop_old_periods",
    "finish_removal",
    "mark_reachable",
    "record_error",
    "record_placements",
    "record_states",
    "record_traffic",
    "set_cluster_mesh",
    "unmark",
]
