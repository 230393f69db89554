from mesh.domain.statuses import STATES


def test_states_are_listed_from_the_least_to_the_most_worrying():
    assert [state.value for state in STATES] == [
        "healthy", "returning", "degraded", "failed_over", "failing", "unknown",
    ]  # fmt: skip


def test_no_two_states_look_alike_without_colour():
    assert len({state.shape for state in STATES}) >= 5
