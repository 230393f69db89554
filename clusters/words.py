"""What audit entries and events of clusters say to people: a code -> words."""

from fleet_portal.common.text import N_

# Read after the actor's name: "ada registered the cluster".
ACTIONS = {
    "cluster.register": N_("registered the cluster"),
    "cluster.rejoin": N_("made a new join command for"),
    "cluster.enroll": N_("enrolled the agent of"),
    "cluster.renew": N_("renewed the agent's certificate of"),
    "cluster.rename": N_("renamed the cluster"),
    "cluster.move": N_("moved to a region the cluster"),
    "cluster.label": N_("labelled the cluster"),
    "cluster.production": N_("changed the production mark of"),
    "cluster.remove": N_("removed the cluster"),
    "cluster.scope": N_("changed a project's namespaces in"),
    "cluster.names": N_("confirmed the rules applied in"),
    "region.save": N_("saved the region"),
    "token.mint": N_("made a short-lived token for"),
}

EVENTS = {
    "registered": N_("registered"),
    "join reissued": N_("a new join command was made"),
    "agent enrolled": N_("the agent enrolled"),
    "connected": N_("connected for the first time"),
    "back": N_("back after being away"),
    "lost": N_("lost: nothing heard for a minute"),
    "api reachable": N_("its API server answers again"),
    "api unreachable": N_("its API server does not answer the agent"),
    "region found": N_("the region was found on its nodes"),
    "access passed": N_("the access test passed"),
    "access failed": N_("the access test failed"),
    "renamed": N_("renamed"),
    "moved": N_("moved to another region"),
}
