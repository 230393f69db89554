import pytest

from fleet_portal.demo.apiserver.fieldsets import FieldSet
from fleet_portal.demo.apiserver.merging import (
    MergeError,
    compare,
    field_set,
    item_element,
    merge,
    remove,
)
from fleet_portal.demo.apiserver.schemas import compile_type, type_of

POD = type_of("", "v1", "Pod")
SPEC = POD.child("spec")
CONTAINERS = SPEC.child("containers")


def names(containers: list[dict[str, str]]) -> list[str]:
    return [c["name"] for c in containers]


def items(*given: str) -> list[dict[str, str]]:
    return [{"name": name} for name in given]


def test_items_are_named_by_their_keys_with_defaults() -> None:
    ports = CONTAINERS.element.child("ports")
    assert item_element(ports, {"containerPort": 80}) == 'k:{"containerPort":80,"protocol":"TCP"}'


def test_an_item_without_its_key_is_refused() -> None:
    items = {"type": "object", "properties": {"id": {"type": "string"}}}
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]}
    with pytest.raises(MergeError, match="omits key 'id'"):
        item_element(compile_type({"type": "array", "items": items, **keyed}), {"image": "x"})


def test_an_applier_owns_leaves_and_items() -> None:
    fields = field_set(SPEC, {"containers": [{"name": "a", "args": ["x", "y"]}]})
    item: FieldSet = {".": {}, "f:name": {}, "f:args": {}}
    assert fields == {"f:containers": {'k:{"name":"a"}': item}}


def test_an_updater_owns_the_ways_too() -> None:
    changes = compare(POD, {}, {"metadata": {"labels": {"a": "b"}}})
    assert changes.added == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}


def test_comparing_tells_changed_and_gone() -> None:
    before = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    changes = compare(POD, before, {"metadata": {"labels": {"a": "9"}}})
    assert changes.modified == {"f:metadata": {"f:labels": {"f:a": {}}}}
    assert changes.removed == {"f:metadata": {"f:labels": {"f:b": {}}}}


@pytest.mark.parametrize(
    ("live", "applied", "order"),
    [
        (("a", "b"), ("b", "a"), ["b", "a"]),
        (("a", "b", "c"), ("c",), ["a", "b", "c"]),
        (("a",), ("x", "a", "y"), ["x", "a", "y"]),
        ((), ("a", "b"), ["a", "b"]),
    ],
)
def test_items_keep_the_applied_order(live, applied, order) -> None:
    assert names(merge(CONTAINERS, items(*live), items(*applied))) == order


def test_merging_goes_into_items_and_keeps_the_rest() -> None:
    merged = merge(
        CONTAINERS, [{"name": "a", "image": "1", "tty": True}], [{"name": "a", "image": "2"}]
    )
    assert merged == [{"name": "a", "image": "2", "tty": True}]


def test_atomic_values_are_replaced_whole() -> None:
    assert merge(SPEC, {"tolerations": [{"key": "a"}]}, {"tolerations": []})["tolerations"] == []


def test_the_same_item_twice_is_refused() -> None:
    with pytest.raises(MergeError, match="duplicate"):
        merge(CONTAINERS, [], items("a", "a"))


def test_removing_takes_members_and_leaves_containers_empty() -> None:
    obj = {"metadata": {"labels": {"a": "b"}}, "spec": {"hostname": "h"}}
    gone = {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:hostname": {}}}
    assert remove(POD, obj, gone) == {"metadata": {"labels": {}}, "spec": {}}
