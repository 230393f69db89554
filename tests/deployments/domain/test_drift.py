"""What counts as drift, who made it, and how soon it is put right."""

from copy import deepcopy
from typing import Any

import pytest

from deployments.domain.drift import (
    CONTESTED_AFTER,
    LONGEST_WAIT_SECONDS,
    QUIET_SECONDS,
    REPLICAS,
    Baseline,
    Pace,
    baseline_of,
    find_drift,
    owned_fields,
    owns,
    readable,
)

MANAGER = "fleet-portal"
PORT = 'k:{"containerPort":80,"protocol":"TCP"}'
APP = 'k:{"name":"app"}'
OWNED: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:a.io/b": {}}},
    "f:data": {"f:colour": {}},
    "f:spec": {
        "f:replicas": {},
        "f:args": {},
        "f:set": {'v:"x"': {}},
        "f:containers": {APP: {".": {}, "f:name": {}, "f:image": {}, "f:ports": {PORT: {".": {}}}}},
    },
}


def entry(manager: str, fields: dict[str, Any], time: str = "1", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "fieldsV1": fields, "time": time, **more}


def make_live() -> dict[str, Any]:
    container = {
        "name": "app",
        "image": "web:1",
        "ports": [{"containerPort": 80, "protocol": "TCP"}],
        "imagePullPolicy": "Always",
    }
    return {
        "kind": "Thing",
        "metadata": {"labels": {"a.io/b": "1"}, "managedFields": [entry(MANAGER, OWNED)]},
        "data": {"colour": "red", "foreign": "1"},
        "spec": {"replicas": 2, "args": ["a"], "set": ["x", "y"], "containers": [container]},
    }


def change(obj: dict[str, Any], what: str) -> None:
    container = obj["spec"]["containers"][0]
    if what == "nothing":
        return
    if what == "value":
        container["image"] = "web:2"
    elif what == "removed field":
        del obj["data"]["colour"]
    elif what == "removed map":
        del obj["data"]
    elif what == "removed item":
        obj["spec"]["containers"].clear()
    elif what == "extra item in a list that is ours as a whole":
        obj["spec"]["args"].append("b")
    elif what == "removed from a set":
        obj["spec"]["set"].remove("x")
    elif what == "removed port":
        container["ports"].clear()
    elif what == "label":
        obj["metadata"]["labels"]["a.io/b"] = "2"


@pytest.mark.parametrize(
    ("what", "paths"),
    [
        ("nothing", []),
        ("value", ["spec.containers[name=app].image"]),
        ("removed field", ["data.colour"]),
        ("removed map", ["data.colour"]),
        (
            "removed item",
            [
                "spec.containers[name=app].image",
                "spec.containers[name=app].name",
                "spec.containers[name=app].ports[containerPort=80,protocol=TCP]",
            ],
        ),
        ("extra item in a list that is ours as a whole", ["spec.args"]),
        ("removed from a set", ["spec.set[x]"]),
        (
            "removed port",
            ["spec.containers[name=app].ports[containerPort=80,protocol=TCP]"],
        ),
        ("label", ["metadata.labels[a.io/b]"]),
    ],
)
def test_changes_of_our_fields_are_drift(what: str, paths: list[str]) -> None:
    before = make_live()
    after = deepcopy(before)
    change(after, what)
    found = find_drift(baseline_of(before, MANAGER), after)
    assert sorted(each.path for each in found) == paths


@pytest.mark.parametrize(
    "edit",
    [
        lambda obj: obj["data"].update(foreign="2", more="3"),
        lambda obj: obj["spec"]["containers"][0].update(imagePullPolicy="Never"),
        lambda obj: obj["spec"]["containers"].append({"name": "sidecar", "image": "x"}),
        lambda obj: obj["spec"]["set"].append("z"),
        lambda obj: obj.update(status={"ready": True}),
        lambda obj: obj["spec"]["containers"].insert(0, {"name": "first"}),
    ],
    ids=["other keys", "a default", "another container", "set item", "status", "order"],
)
def test_what_is_not_ours_is_no_drift(edit: Any) -> None:
    before = make_live()
    after = deepcopy(before)
    edit(after)
    assert find_drift(baseline_of(before, MANAGER), after) == []


def test_long_values_are_compared_without_being_kept() -> None:
    before = make_live()
    before["data"]["colour"] = "red" * 10_000
    after = deepcopy(before)
    baseline = baseline_of(before, MANAGER)
    assert find_drift(baseline, after) == []
    after["data"]["colour"] += "!"
    assert [each.path for each in find_drift(baseline, after)] == ["data.colour"]
    assert all(len(str(value)) < 200 for value in baseline.values.values())


def test_drift_names_who_holds_the_field_now() -> None:
    before = make_live()
    after = deepcopy(before)
    after["data"]["colour"] = "blue"
    edited = entry("kubectl-edit", {"f:data": {"f:colour": {}}}, "2", operation="Update")
    after["metadata"]["managedFields"] = [edited, entry("other", {"f:spec": {}}, "3")]
    assert find_drift(baseline_of(before, MANAGER), after)[0].manager == "kubectl-edit"


def test_a_removed_field_is_put_down_to_the_latest_writer() -> None:
    before = make_live()
    after = deepcopy(before)
    del after["data"]["colour"]
    after["metadata"]["managedFields"] += [entry("old", {}, "2"), entry("new", {}, "3")]
    assert find_drift(baseline_of(before, MANAGER), after)[0].manager == "new"


def test_the_count_can_be_left_to_another_baseline() -> None:
    baseline = baseline_of(make_live(), MANAGER, (REPLICAS,))
    assert REPLICAS not in baseline.values


@pytest.mark.parametrize(
    ("obj", "fields"),
    [
        ({"kind": "CustomResourceDefinition"}, {"f:spec": {"f:caBundle": {}}}),
        (
            {"kind": "ClusterRole", "aggregationRule": {"x": []}, "rules": []},
            {"f:rules": {}},
        ),
    ],
    ids=["caBundle", "aggregated rules"],
)
def test_what_the_cluster_fills_in_is_no_drift(obj: dict[str, Any], fields: dict[str, Any]) -> None:
    obj["metadata"] = {"managedFields": [entry(MANAGER, fields)]}
    assert baseline_of(obj, MANAGER) == Baseline(MANAGER, {})


@pytest.mark.parametrize(
    "other",
    [
        entry("else", OWNED),
        entry(MANAGER, OWNED, operation="Update"),
        entry(MANAGER, OWNED, subresource="status"),
    ],
)
def test_only_our_applies_make_fields_ours(other: dict[str, Any]) -> None:
    assert owned_fields({"metadata": {"managedFields": [other]}}, MANAGER) == {}


def test_a_field_is_owned_with_all_that_is_in_it() -> None:
    assert owns(OWNED, ("f:spec", "f:args", "f:deeper"))
    assert not owns(OWNED, ("f:data", "f:shape"))


def test_paths_are_readable() -> None:
    path = ("f:spec", 'k:{"name":"app"}', "f:image", "i:2", ".")
    assert readable(path) == "spec[name=app].image[2]"


def test_the_first_repair_is_at_once_and_later_ones_wait() -> None:
    pace, waits = Pace(), []
    now = 1000.0
    for _ in range(CONTESTED_AFTER + 3):
        due = pace.due_at(now)
        waits.append(due - now)
        now = due
        pace = pace.after_repair(now)
    assert waits == [0.0, 1.0, 5.0, 30.0, 60.0, 120.0]


def test_the_third_repair_in_ten_minutes_makes_it_contested() -> None:
    pace = Pace()
    for now in (1000.0, 1100.0):
        pace = pace.after_repair(now)
    assert not pace.is_contested(1200.0)
    assert pace.after_repair(1200.0).is_contested(1200.0)


def test_after_a_quiet_time_it_begins_anew() -> None:
    pace = Pace(CONTESTED_AFTER, 1000.0)
    later = 1000.0 + QUIET_SECONDS + 31
    assert not pace.is_contested(later)
    assert pace.due_at(later) == later
    assert pace.after_repair(later) == Pace(1, later)


def test_no_wait_is_longer_than_an_hour() -> None:
    pace = Pace(50, 1000.0)
    assert pace.due_at(1001.0) == 1000.0 + LONGEST_WAIT_SECONDS
