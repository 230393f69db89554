"""What audit entries of the mesh say to people: an action's code -> words."""

from fleet_portal.common.text import N_

# Read after the actor's name: "ada made reachable across clusters shop/orders".
ACTIONS = {
    "mesh.mark": N_("made reachable across clusters"),
    "mesh.change": N_("changed the order of regions of"),
    "mesh.unmark": N_("began to remove from the mesh"),
    "mesh.cluster": N_("set the mesh gateways of"),
}
