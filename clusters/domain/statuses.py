"""Every status word of the app. Pure: English source text, translated when a page is rendered."""

from fleet_portal.common.statuses import Status, Statuses
from fleet_portal.common.text import N_

PENDING = "pending"
CONNECTED = "connected"
API_UNREACHABLE = "api-unreachable"
SILENT = "silent"
LOST = "lost"

# What the tunnel tells; "API unreachable" is a state of its own: the agent is there.
LIVENESS = Statuses(
    Status(PENDING, N_("Pending"), "info", "clock"),
    Status(CONNECTED, N_("Connected"), "ok", "check"),
    Status(API_UNREACHABLE, N_("API unreachable"), "warn", "triangle"),
    Status(SILENT, N_("Silent"), "away", "dash"),
    Status(LOST, N_("Lost"), "bad", "cross"),
)

AWAY = frozenset({SILENT, LOST})

# One step of the way from the wizard to a ready cluster.
STEP_DONE = "done"
STEP_NOW = "now"
STEP_LATER = "later"
STEP_FAILED = "failed"

STEPS = Statuses(
    Status(STEP_DONE, N_("Done"), "ok", "check"),
    Status(STEP_NOW, N_("Waiting"), "info", "clock"),
    Status(STEP_LATER, N_("Later"), "none", "ring"),
    Status(STEP_FAILED, N_("Failed"), "bad", "cross"),
)

NODE_READY = Status("ready", N_("Ready"), "ok", "check")
NODE_NOT_READY = Status("not-ready", N_("Not ready"), "bad", "cross")
