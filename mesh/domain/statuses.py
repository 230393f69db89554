"""The mesh's status words."""

from fleet_portal.common.statuses import Status, Statuses
from fleet_portal.common.text import N_

HEALTHY = Status("healthy", N_("Healthy"), "ok", "check")
DEGRADED = Status("degraded", N_("Degraded"), "warn", "triangle")
FAILING = Status("failing", N_("Failing"), "bad", "cross")
FAILED_OVER = Status("failed_over", N_("Failed over"), "bad", "arrow")
RETURNING = Status("returning", N_("Returning"), "info", "clock")
UNKNOWN = Status("unknown", N_("Unknown"), "away", "dash")

# From the least to the most worrying: a region shows the worst of its services.
STATES = Statuses(HEALTHY, RETURNING, DEGRADED, FAILED_OVER, FAILING, UNKNOWN)
