"""Give every word of deployments its label, colour and shape; each lives once. Pure.

The words that agents report are in `words.py`; this adds the portal's own: those of rollouts,
waves and the clusters inside a wave.
"""

from typing import Final

from deployments.domain.words import Health, Reason, Sync
from fleet_portal.common.statuses import Status, Statuses
from fleet_portal.common.text import N_

# How far one application's content is in one cluster (also of one object). Dispatched is the
# portal's own word: sent, and the agent has not answered yet. Removing: no longer wanted there.
PENDING: Final = "pending"
DISPATCHED: Final = "dispatched"
REMOVING: Final = "removing"

SYNC = Statuses(
    Status(PENDING, N_("pending"), "none", "clock"),
    Status(DISPATCHED, N_("sent"), "info", "arrow"),
    Status(Sync.APPLYING.value, N_("applying"), "info", "dot"),
    Status(Sync.SYNCED.value, N_("in sync"), "ok", "check"),
    Status(Sync.DRIFTED.value, N_("drifted"), "warn", "triangle"),
    Status(Sync.CONTESTED.value, N_("contested"), "warn", "triangle"),
    Status(Sync.WAITING_FOR_API.value, N_("waiting for its API"), "warn", "clock"),
    Status(Sync.BLOCKED.value, N_("refused"), "bad", "cross"),
    Status(Sync.ORPHANED.value, N_("left behind"), "warn", "dash"),
    Status(REMOVING, N_("removing"), "info", "dash"),
)

# Whether it works (of an object, and of a target: the worst of its objects).
HEALTH = Statuses(
    Status(Health.HEALTHY.value, N_("healthy"), "ok", "check"),
    Status(Health.PROGRESSING.value, N_("progressing"), "info", "dot"),
    Status(Health.DEGRADED.value, N_("degraded"), "warn", "triangle"),
    Status(Health.FAILED.value, N_("failed"), "bad", "cross"),
    Status(Health.SUSPENDED.value, N_("suspended"), "none", "pause"),
    Status(Health.UNKNOWN.value, N_("unknown"), "away", "ring"),
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

# A Wave's states; `pending` as above.
DISPATCHING: Final = "dispatching"
CONVERGING: Final = "converging"
SOAKING: Final = "soaking"
DONE: Final = "done"
FAILED: Final = "failed"

WAVE = Statuses(
    Status(PENDING, N_("pending"), "none", "clock"),
    Status(DISPATCHING, N_("sending"), "info", "arrow"),
    Status(CONVERGING, N_("converging"), "info", "dot"),
    Status(SOAKING, N_("soaking"), "info", "clock"),
    Status(DONE, N_("done"), "ok", "check"),
    Status(FAILED, N_("failed"), "bad", "cross"),
)

# One cluster inside a wave; `pending`, `dispatched` and `failed` as above.
APPLIED: Final = "applied"
HEALTHY: Final = "healthy"
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

# What stands in the way. The first are the portal's own words.
NAMESPACE_MISSING: Final = "NamespaceMissing"
CLUSTER_AWAY: Final = "ClusterAway"
REFUSED: Final = "Refused"

REASONS: Final[dict[str, str]] = {
    NAMESPACE_MISSING: N_("its namespace does not exist"),
    CLUSTER_AWAY: N_("the cluster is away"),
    REFUSED: N_("the agent refused the desired set"),
    Reason.TRANSPORT.value: N_("the cluster can't be reached"),
    Reason.THROTTLED.value: N_("the cluster asked to slow down"),
    Reason.FORBIDDEN.value: N_("the cluster does not allow it"),
    Reason.INVALID.value: N_("the cluster calls it invalid"),
    Reason.IMMUTABLE.value: N_("a field that can't be changed would change"),
    Reason.CONFLICT.value: N_("another manager owns a field"),
    Reason.QUOTA.value: N_("a quota is used up"),
    Reason.WEBHOOK_TIMEOUT.value: N_("an admission webhook did not answer"),
    Reason.WEBHOOK_DENIED.value: N_("an admission webhook refused it"),
    Reason.API_MISSING.value: N_("the cluster does not know this kind"),
    Reason.TOO_LARGE.value: N_("it is too large for the cluster"),
    Reason.IMAGE_PULL.value: N_("an image can't be pulled"),
    Reason.CRASH_LOOP.value: N_("a container keeps crashing"),
    Reason.UNSCHEDULABLE.value: N_("no node has room"),
    Reason.PROBE_FAILED.value: N_("a probe fails"),
    Reason.DEADLINE_EXCEEDED.value: N_("it did not become healthy in time"),
    Reason.DEPENDENCY_MISSING.value: N_("something it needs does not exist"),
    Reason.OWNED_BY_OTHER.value: N_("somebody else owns this object"),
    Reason.PRUNE_HELD.value: N_("removing it is held back"),
    Reason.STALE_EPOCH.value: N_("a newer writer is at work"),
}
