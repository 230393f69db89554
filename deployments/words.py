"""What audit entries of this app say to people: an action's code -> words."""

from fleet_portal.common.text import N_

# Read after the actor's name: "ada started the rollout".
ACTIONS = {
    "application.create": N_("created the application"),
    "application.revise": N_("saved a revision of"),
    "application.place": N_("set the placement of"),
    "application.override": N_("set the overrides of"),
    "application.scale": N_("scaled"),
    "application.delete": N_("began to delete the application"),
    "application.deleted": N_("finished deleting the application"),
    "rollout.start": N_("started the rollout"),
    "rollout.back": N_("went back with the rollout"),
    "rollout.pause": N_("stopped the rollout"),
    "rollout.resume": N_("resumed the rollout"),
    "rollout.abort": N_("aborted the rollout"),
    "rollout.halt": N_("halted the rollout"),
    "rollout.finish": N_("finished the rollout"),
}
