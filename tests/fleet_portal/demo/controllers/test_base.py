from fleet_portal.demo.controllers.base import (
    condition,
    controller_of,
    is_ready,
    owned_by,
    owner_reference,
    with_condition,
)

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "o", "uid": "1"}}


def test_owners_are_known_by_their_uid() -> None:
    mine = {"metadata": {"ownerReferences": [owner_reference(OWNER)]}}
    other = {"metadata": {"ownerReferences": [{**owner_reference(OWNER), "uid": "2"}]}}
    assert owned_by(OWNER, [mine, other, {"metadata": {}}]) == [mine]
    found = controller_of(mine)
    assert found is not None
    assert found["kind"] == "ReplicaSet"


def test_an_ending_pod_is_not_ready() -> None:
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert is_ready({"metadata": {}, "status": status})
    assert not is_ready({"metadata": {"deletionTimestamp": "T"}, "status": status})


def test_the_transition_time_follows_the_status_alone() -> None:
    first = with_condition([], "Available", True, "A", "", "T1")
    second = with_condition(first, "Available", True, "B", "", "T2")
    third = with_condition(second, "Available", False, "C", "", "T3")
    moved = [condition({"status": {"conditions": c}}, "Available") for c in (second, third)]
    assert [c["lastTransitionTime"] for c in moved if c] == ["T1", "T3"]


def test_an_unchanged_condition_is_left_alone() -> None:
    first = with_condition([], "Available", True, "A", "m", "T1")
    assert with_condition(first, "Available", True, "A", "m", "T2") is first
