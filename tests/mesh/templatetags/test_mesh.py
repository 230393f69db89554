from mesh.templatetags.mesh import mesh_state, split_words


def test_a_code_becomes_its_status_and_nonsense_unknown():
    assert mesh_state("failing").value == "failing"
    assert mesh_state("nonsense").value == "unknown"


def test_words_of_a_literal_are_looped_over():
    assert split_words("a b") == ["a", "b"]
