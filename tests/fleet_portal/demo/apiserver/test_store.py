import pytest

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.store import Store

MAPS, PODS = BY_KIND["", "ConfigMap"], BY_KIND["", "Pod"]


def obj(name: str, namespace: str = "a"):
    return {"metadata": {"name": name, "namespace": namespace}}


def test_each_write_has_a_higher_revision() -> None:
    store = Store()
    first = store.put(MAPS, obj("x"))
    second = store.put(MAPS, obj("x"))
    numbers = [int(o["metadata"]["resourceVersion"]) for o in (first, second)]
    assert numbers == sorted(set(numbers))


def test_a_stored_object_is_not_changed_by_later_writes() -> None:
    store = Store()
    first = store.put(MAPS, obj("x"))
    store.put(MAPS, {**obj("x"), "data": {"k": "v"}})
    assert "data" not in first


def test_lists_are_in_name_order_and_by_namespace() -> None:
    store = Store()
    for name, namespace in (("b", "a"), ("a", "a"), ("c", "z")):
        store.put(MAPS, obj(name, namespace))
    assert [o["metadata"]["name"] for o in store.all(MAPS, "a")] == ["a", "b"]
    assert len(store.all(MAPS)) == 3


def test_changes_since_a_revision_are_of_one_resource() -> None:
    store = Store()
    store.put(MAPS, obj("x"))
    seen = store.revision
    store.put(PODS, obj("p"))
    store.delete(MAPS, "a", "x")
    assert [(c.kind, c.obj["metadata"]["name"]) for c in store.since(MAPS, seen)] == [
        ("DELETED", "x")
    ]


def test_a_forgotten_revision_is_expired() -> None:
    store = Store(history=2)
    for number in range(5):
        store.put(MAPS, obj(f"x{number}"))
    with pytest.raises(ApiError, match="too old resource version: 1") as refusal:
        store.since(MAPS, 1)
    assert refusal.value.code == 410


def test_pages_show_the_state_of_the_first() -> None:
    store = Store()
    for name in "abc":
        store.put(MAPS, obj(name))
    first, revision, token, left = store.page(MAPS, "", None, 2, "")
    store.put(MAPS, obj("z"))
    second, same, end, _ = store.page(MAPS, "", None, 2, token)
    assert [o["metadata"]["name"] for o in (*first, *second)] == ["a", "b", "c"]
    assert (left, end, same) == (1, "", revision)


def test_an_unknown_page_is_expired() -> None:
    with pytest.raises(ApiError, match="continue parameter is too old"):
        Store().page(MAPS, "", None, 2, "gone")


async def test_followers_get_the_changes_of_their_resource() -> None:
    store = Store()
    with store.changes(MAPS) as queue:
        store.put(PODS, obj("p"))
        store.put(MAPS, obj("x"))
        assert queue.get_nowait().obj["metadata"]["name"] == "x"
        assert queue.empty()
