import pytest

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.selectors import label_matcher
from fleet_portal.demo.apiserver.watching import WatchOrder, event_of, opening

from ..conftest import config_map, kind

MAPS = kind("ConfigMap")


def order(revision: str = "", selector: str = "", **changes) -> WatchOrder:
    values = {
        "resource": MAPS,
        "namespace": "shop",
        "matches": label_matcher(selector),
        "revision": revision,
        "bookmarks": True,
        "initial_events": False,
        "seconds": 5.0,
        "shown": lambda obj, _first: obj,
    }
    return WatchOrder(**{**values, **changes})


def labelled(value: str):
    sent = config_map()
    sent["metadata"]["labels"] = {"x": value}
    return sent


def events(objects: Objects, wanted: WatchOrder) -> list[str]:
    found, _ = opening(objects.store, wanted)
    return [kind for kind, _ in found]


def test_without_a_revision_the_state_comes_first(objects: Objects) -> None:
    objects.create(MAPS, config_map(), "me")
    assert events(objects, order()) == ["ADDED"]


def test_from_a_revision_only_changes_come(objects: Objects) -> None:
    objects.create(MAPS, config_map(), "me")
    since = str(objects.store.revision)
    objects.delete(MAPS, "shop", "cfg")
    assert events(objects, order(since)) == ["DELETED"]


def test_initial_events_may_be_asked_for_at_any_revision(objects: Objects) -> None:
    objects.create(MAPS, config_map(), "me")
    found = opening(objects.store, order(str(objects.store.revision), initial_events=True))
    assert ([kind for kind, _ in found[0]], found[1]) == (["ADDED"], True)


def test_who_selects_sees_objects_come_and_go(objects: Objects) -> None:
    objects.create(MAPS, labelled("a"), "me")
    since = str(objects.store.revision)
    objects.update(MAPS, labelled("b"), "me")
    objects.update(MAPS, labelled("a"), "me")
    assert events(objects, order(since, "x=a")) == ["DELETED", "ADDED"]


def test_the_last_state_that_matched_is_told(objects: Objects) -> None:
    objects.create(MAPS, labelled("a"), "me")
    since = objects.store.revision
    objects.update(MAPS, labelled("b"), "me")
    change = objects.store.since(MAPS, since)[0]
    told = event_of(order(selector="x=a"), change)
    assert told is not None
    assert told[1]["metadata"]["labels"] == {"x": "a"}
    assert told[1]["metadata"]["resourceVersion"] == str(objects.store.revision)


def test_other_namespaces_are_not_told(objects: Objects) -> None:
    objects.create(MAPS, config_map(), "me")
    assert events(objects, order(namespace="other")) == []


def test_a_forgotten_revision_is_expired(objects: Objects) -> None:
    objects.store.compact(objects.store.revision)
    with pytest.raises(ApiError) as refusal:
        opening(objects.store, order("1"))
    assert refusal.value.code == 410


def test_nonsense_is_no_revision(objects: Objects) -> None:
    with pytest.raises(ApiError, match="invalid resource version"):
        opening(objects.store, order("x"))
