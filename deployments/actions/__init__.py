"""Every write of the app: rows, audit entry and announcement, in one transaction.

Callers have judged access; actions judge whether the thing can be done at all, and refuse with
`ActionRefused` before anything is saved.
"""

from deployments.actions.applications import create_application, save_revision, set_placement
from deployments.actions.deleting import delete_application, finish_deletions
from deployments.actions.overriding import set_overrides
from deployments.actions.rollouts import (
    abort_rollout,
    advance_rollout,
    pause_rollout,
    resume_rollout,
    rollback_application,
    start_rollout,
)
from deployments.actions.scaling import scale_application
from deployments.actions.sending import claim_sets, note_outcomes
from deployments.actions.system import remove_system_application, set_system_application
from deployments.actions.targets import record_targets, register_reports

__all__ = [
    "abort_rollout",
    "advance_rollout",
    "claim_sets",
    "create_application",
    "delete_application",
    "finish_deletions",
    "note_outcomes",
    "pause_rollout",
    "record_targets",
    "register_reports",
    "remove_system_application",
    "resume_rollout",
    "rollback_application",
    "save_revision",
    "scale_application",
    "set_overrides",
    "set_placement",
    "set_system_application",
    "start_rollout",
]
