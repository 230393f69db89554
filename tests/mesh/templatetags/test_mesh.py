from mesh.templatetags.mesh import mesh_state


def test_a_code_becomes_its_status_and_nonsense_unknown():
    assert mesh_state("failing").value == "failing"
    assert mesh_state("nonsense").value == "unknown"
