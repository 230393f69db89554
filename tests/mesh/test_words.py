from fleet_portal.common.words import ACTIONS
from mesh.words import ACTIONS as OWN


def test_audit_entries_of_the_mesh_have_words():
    assert OWN.items() <= ACTIONS.items()
