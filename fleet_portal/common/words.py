"""What audit entries say to people: an action's code -> words, an outcome -> a status."""

from fleet_portal.common.statuses import Status, Statuses
from fleet_portal.common.text import N_

OUTCOMES = Statuses(
    Status("done", N_("done"), "ok", "check"),
    Status("refused", N_("refused"), "warn", "triangle"),
    Status("failed", N_("failed"), "bad", "cross"),
)

# Read after the actor's name: "ada gave a role".
ACTIONS = {
    "person.login": N_("login of"),
    "person.create": N_("created the person"),
    "person.change": N_("changed the person"),
    "person.activate": N_("activated the person"),
    "person.deactivate": N_("deactivated the person"),
    "person.password": N_("set the password of"),
    "team.create": N_("created the team"),
    "team.change": N_("changed the team"),
    "team.delete": N_("deleted the team"),
    "project.create": N_("created the project"),
    "project.change": N_("changed the project"),
    "role.grant": N_("gave the role"),
    "role.revoke": N_("took away the role"),
}
