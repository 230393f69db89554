import pytest

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.patches import json_patch, merge_patch, strategic_patch
from fleet_portal.demo.apiserver.schemas import type_of

SPEC = type_of("", "v1", "Pod").child("spec")
LIVE = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}


def test_a_merge_patch_replaces_lists_and_drops_nulls() -> None:
    assert merge_patch({"a": [1], "b": 2}, {"a": [3], "b": None}) == {"a": [3]}


def test_a_json_patch_changes_by_path() -> None:
    operations = [{"op": "replace", "path": "/a", "value": 2}]
    assert json_patch({"a": 1}, operations) == {"a": 2}


def test_a_json_patch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ApiError) as refusal:
        json_patch({}, [{"op": "test", "path": "/a", "value": 2}])
    assert refusal.value.code == 422


def test_a_strategic_patch_goes_into_items_by_their_key() -> None:
    patched = strategic_patch(SPEC, LIVE, {"containers": [{"name": "b", "image": "2"}]})
    assert [c["image"] for c in patched["containers"]] == ["1", "2"]


def test_a_strategic_patch_deletes_items() -> None:
    patch = {"containers": [{"name": "a", "$patch": "delete"}]}
    assert strategic_patch(SPEC, LIVE, patch)["containers"] == [{"name": "b", "image": "1"}]


def test_a_strategic_patch_orders_items() -> None:
    patch = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}
    assert [c["name"] for c in strategic_patch(SPEC, LIVE, patch)["containers"]] == ["b", "a"]


def test_an_item_without_its_key_is_refused() -> None:
    with pytest.raises(ApiError, match="merge key: name"):
        strategic_patch(SPEC, LIVE, {"containers": [{"image": "2"}]})


def test_plain_lists_are_joined_and_thinned() -> None:
    kind = type_of("", "v1", "Pod").child("metadata")
    joined = strategic_patch(kind, {"finalizers": ["a"]}, {"finalizers": ["b"]})
    assert joined == {"finalizers": ["a", "b"]}
    thinned = strategic_patch(kind, joined, {"$deleteFromPrimitiveList/finalizers": ["a"]})
    assert thinned == {"finalizers": ["b"]}
