"""Every status word of deployments, each once, and the reason codes. Pure; the agent uses it too.

Values are stable API. Sync tells how far the wanted content is in the cluster, health whether
it works there, and a reason is the code of what stands in the way.
"""

from typing import Final

from fleet_portal.common.statuses import Status, Statuses
from fleet_portal.common.text import N_

# How far one application's content is in one cluster (also of one object).
PENDING: Final = "pending"
DISPATCHED: Final = "dispatched"
APPLYING: Final = "applying"
SYNCED: Final = "synced"
DRIFTED: Final = "drifted"
CONTESTED: Final = "contested"
WAITING_FOR_API: Final = "waiting_for_api"
BLOCKED: Final = "blocked"
PRUNING: Final = "pruning"

SYNC = Statuses(
    Status(PENDING, N_("pending"), "none", "clock"),
    Status(DISPATCHED, N_("sent"), "info", "arrow"),
    Status(APPLYING, N_("applying"), "info", "dot"),
    Status(SYNCED, N_("in sync"), "ok", "check"),
    Status(DRIFTED, N_("drifted"), "warn", "triangle"),
    Status(CONTESTED, N_("contested"), "warn", "triangle"),
    Status(WAITING_FOR_API, N_("waiting for its API"), "warn", "clock"),
    Status(BLOCKED, N_("refused"), "bad", "cross"),
    Status(PRUNING, N_("removing"), "info", "dash"),
)

# Whether it works (of an object, and of a target: the worst of its objects).
HEALTHY: Final = "healthy"
PROGRESSING: Final = "progressing"
DEGRADED: Final = "degraded"
FAILED: Final = "failed"
SUSPENDED: Final = "suspended"
UNKNOWN: Final = "unknown"

HEALTH = Statuses(
    Status(HEALTHY, N_("healthy"), "ok", "check"),
    Status(PROGRESSING, N_("progressing"), "info", "dot"),
    Status(DEGRADED, N_("degraded"), "warn", "triangle"),
    Status(FAILED, N_("failed"), "bad", "cross"),
    Status(SUSPENDED, N_("suspended"), "none", "pause"),
    Status(UNKNOWN, N_("unknown"), "away", "ring"),
)

# A Rollout's states.
RUNNING: Final = "running"
PAUSED: Final = "paused"
HALTED: Final = "halted"
SUCCEEDED: Final = "succeeded"
ABORTED: Final = "aborted"
SUPERSEDED: Final = "superseded"
ROLLED_BACK: Final = "rolled_back"

ROLLOUT = Statuses(
    Status(RUNNING, N_("running"), "info", "dot"),
    Status(PAUSED, N_("stopped"), "warn", "pause"),
    Status(HALTED, N_("halted"), "bad", "cross"),
    Status(SUCCEEDED, N_("succeeded"), "ok", "check"),
    Status(ABORTED, N_("aborted"), "none", "dash"),
    Status(SUPERSEDED, N_("superseded"), "none", "arrow"),
    Status(ROLLED_BACK, N_("rolled back"), "none", "arrow"),
)

# A Wave's states; `pending` and `failed` as above.
DISPATCHING: Final = "dispatching"
CONVERGING: Final = "converging"
SOAKING: Final = "soaking"
DONE: Final = "done"

WAVE = Statuses(
    Status(PENDING, N_("pending"), "none", "clock"),
    Status(DISPATCHING, N_("sending"), "info", "arrow"),
    Status(CONVERGING, N_("converging"), "info", "dot"),
    Status(SOAKING, N_("soaking"), "info", "clock"),
    Status(DONE, N_("done"), "ok", "check"),
    Status(FAILED, N_("failed"), "bad", "cross"),
)

# One cluster inside a wave; `pending`, `dispatched`, `healthy` and `failed` as above.
APPLIED: Final = "applied"
SOAKED: Final = "soaked"
TIMED_OUT: Final = "timed_out"
DEFERRED: Final = "deferred"
EXCLUDED: Final = "excluded"
REMOVED: Final = "removed"

WAVE_TARGET = Statuses(
    Status(PENDING, N_("pending"), "none", "clock"),
    Status(DISPATCHED, N_("sent"), "info", "arrow"),
    Status(APPLIED, N_("applied"), "info", "dot"),
    Status(HEALTHY, N_("healthy, soaking"), "info", "clock"),
    Status(SOAKED, N_("soaked"), "ok", "check"),
    Status(FAILED, N_("failed"), "bad", "cross"),
    Status(TIMED_OUT, N_("timed out"), "bad", "cross"),
    Status(DEFERRED, N_("deferred: away"), "away", "ring"),
    Status(EXCLUDED, N_("excluded: removed from the fleet"), "none", "dash"),
    Status(REMOVED, N_("removed"), "none", "dash"),
)

# What stands in the way: a code that stays the same across versions.
TRANSPORT: Final = "Transport"
THROTTLED: Final = "Throttled"
FORBIDDEN: Final = "Forbidden"
INVALID: Final = "Invalid"
IMMUTABLE: Final = "Immutable"
CONFLICT: Final = "Conflict"
QUOTA: Final = "Quota"
WEBHOOK_TIMEOUT: Final = "WebhookTimeout"
WEBHOOK_DENIED: Final = "WebhookDenied"
API_MISSING: Final = "ApiMissing"
TOO_LARGE: Final = "TooLarge"
IMAGE_PULL: Final = "ImagePull"
CRASH_LOOP: Final = "CrashLoop"
UNSCHEDULABLE: Final = "Unschedulable"
PROBE_FAILED: Final = "ProbeFailed"
DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
NAMESPACE_MISSING: Final = "NamespaceMissing"
DEPENDENCY_MISSING: Final = "DependencyMissing"
OWNED_BY_OTHER: Final = "OwnedByOther"
PRUNE_HELD: Final = "PruneHeld"
STALE_EPOCH: Final = "StaleEpoch"
BLOB_MISSING: Final = "BlobMissing"
CLUSTER_AWAY: Final = "ClusterAway"

REASONS: Final[dict[str, str]] = {
    TRANSPORT: N_("the cluster can't be reached"),
    THROTTLED: N_("the cluster asked to slow down"),
    FORBIDDEN: N_("the cluster does not allow it"),
    INVALID: N_("the cluster calls it invalid"),
    IMMUTABLE: N_("a field that can't be changed would change"),
    CONFLICT: N_("another manager owns a field"),
    QUOTA: N_("a quota is used up"),
    WEBHOOK_TIMEOUT: N_("an admission webhook did not answer"),
    WEBHOOK_DENIED: N_("an admission webhook refused it"),
    API_MISSING: N_("the cluster does not know this kind"),
    TOO_LARGE: N_("it is too large for the cluster"),
    IMAGE_PULL: N_("an image can't be pulled"),
    CRASH_LOOP: N_("a container keeps crashing"),
    UNSCHEDULABLE: N_("no node has room"),
    PROBE_FAILED: N_("a probe fails"),
    DEADLINE_EXCEEDED: N_("it did not become healthy in time"),
    NAMESPACE_MISSING: N_("its namespace does not exist"),
    DEPENDENCY_MISSING: N_("something it needs does not exist"),
    OWNED_BY_OTHER: N_("somebody else owns this object"),
    PRUNE_HELD: N_("removing it is held back"),
    STALE_EPOCH: N_("a newer writer is at work"),
    BLOB_MISSING: N_("the agent still waits for its content"),
    CLUSTER_AWAY: N_("the cluster is away"),
}
