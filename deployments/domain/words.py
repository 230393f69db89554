"""The words an agent uses when it reports about a target; `statuses.py` gives them a face.

They travel from agents to the portal, and agents are older than the portal: add words, never
change one.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Sync(StrEnum):
    """How far what is wanted has become what is there."""

    PENDING = "pending"  # not begun: content is still missing
    APPLYING = "applying"
    SYNCED = "synced"
    DRIFTED = "drifted"  # changed by somebody, repair under way
    CONTESTED = "contested"  # changed again and again: repair backs off
    WAITING_FOR_API = "waiting_for_api"
    BLOCKED = "blocked"  # refused; the reason says by whom
    ORPHANED = "orphaned"  # no longer wanted, still there


class Health(StrEnum):
    """What the cluster says about an object that is there."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    DEGRADED = "degraded"
    FAILED = "failed"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a word is not the best one. Empty: nothing to explain."""

    NONE = ""
    TRANSPORT = "Transport"
    THROTTLED = "Throttled"
    FORBIDDEN = "Forbidden"
    INVALID = "Invalid"
    IMMUTABLE = "Immutable"
    CONFLICT = "Conflict"
    QUOTA = "Quota"
    WEBHOOK_TIMEOUT = "WebhookTimeout"
    WEBHOOK_DENIED = "WebhookDenied"
    API_MISSING = "ApiMissing"
    TOO_LARGE = "TooLarge"
    IMAGE_PULL = "ImagePull"
    CRASH_LOOP = "CrashLoop"
    UNSCHEDULABLE = "Unschedulable"
    PROBE_FAILED = "ProbeFailed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    DEPENDENCY_MISSING = "DependencyMissing"
    OWNED_BY_OTHER = "OwnedByOther"
    PRUNE_HELD = "PruneHeld"
    STALE_EPOCH = "StaleEpoch"


# From best to worst: a whole is as good as its worst part.
HEALTH_FROM_BEST = (
    Health.HEALTHY,
    Health.SUSPENDED,
    Health.PROGRESSING,
    Health.UNKNOWN,
    Health.DEGRADED,
    Health.FAILED,
)
SYNC_FROM_BEST = (
    Sync.SYNCED,
    Sync.APPLYING,
    Sync.DRIFTED,
    Sync.PENDING,
    Sync.WAITING_FOR_API,
    Sync.ORPHANED,
    Sync.CONTESTED,
    Sync.BLOCKED,
)


def worst_health(parts: Iterable[Health]) -> Health:
    """Return the worst of the parts; of none, healthy."""
    return max(parts, key=HEALTH_FROM_BEST.index, default=Health.HEALTHY)


def worst_sync(parts: Iterable[Sync]) -> Sync:
    """Return the worst of the parts; of none, synced."""
    return max(parts, key=SYNC_FROM_BEST.index, default=Sync.SYNCED)
