"""Every write of the app: rows, audit entry, event and announcement, in one transaction.

Callers have judged access; actions judge whether the thing can be done at all, and refuse with
`ActionRefused` before anything is saved.
"""

from clusters.actions.changing import (
    all_or_nothing,
    confirm_names,
    move_region,
    remove_cluster,
    rename_cluster,
    save_region,
    set_labels,
    set_production,
    set_scope,
)
from clusters.actions.joining import (
    Enrolment,
    EnrolmentRefused,
    Join,
    enroll_agent,
    mark_manifest_fetched,
    register_cluster,
    reissue_join,
    renew_certificate,
)
from clusters.actions.observing import (
    record_access,
    record_api,
    record_carriers,
    record_closed,
    record_connected,
    record_liveness,
    record_nodes,
    record_usage,
    sweep_clusters,
)
from clusters.actions.tokens import drop_expired, mint_person_token, spend_proof

__all__ = [
    "Enrolment",
    "EnrolmentRefused",
    "Join",
    "all_or_nothing",
    "confirm_names",
    "drop_expired",
    "enroll_agent",
    "mark_manifest_fetched",
    "mint_person_token",
    "move_region",
    "record_access",
    "record_api",
    "record_carriers",
    "record_closed",
    "record_connected",
    "record_liveness",
    "record_nodes",
    "record_usage",
    "register_cluster",
    "reissue_join",
    "remove_cluster",
    "rename_cluster",
    "renew_certificate",
    "save_region",
    "set_labels",
    "set_production",
    "set_scope",
    "spend_proof",
    "sweep_clusters",
]
