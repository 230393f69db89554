import pytest

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.objects import Deletion, Objects, generated_name

from ..conftest import Clock, config_map, deployment, kind, pod, running

MAPS, DEPLOYMENTS, PODS = kind("ConfigMap"), kind("Deployment"), kind("Pod")


def test_a_new_object_gets_identity(objects: Objects) -> None:
    made = objects.create(DEPLOYMENTS, deployment(), "me")["metadata"]
    assert made["generation"] == 1
    assert made["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert made["uid"]


def test_what_exists_is_not_made_again(objects: Objects) -> None:
    objects.create(MAPS, config_map(), "me")
    with pytest.raises(ApiError, match="already exists"):
        objects.create(MAPS, config_map(), "me")


def test_a_missing_namespace_is_not_found(objects: Objects) -> None:
    sent = config_map()
    sent["metadata"]["namespace"] = "nowhere"
    with pytest.raises(ApiError, match='namespaces "nowhere" not found'):
        objects.create(MAPS, sent, "me")


def test_names_are_made_from_their_beginning() -> None:
    assert generated_name("web-").startswith("web-")
    assert len(generated_name("web-")) == 9


def test_a_dry_run_stores_nothing(objects: Objects) -> None:
    objects.create(MAPS, config_map(), "me", dry_run=True)
    assert objects.store.get(MAPS, "shop", "cfg") is None


def test_a_change_of_content_makes_a_generation_and_a_label_does_not(objects: Objects) -> None:
    made = objects.create(DEPLOYMENTS, deployment(), "me")
    labelled = {**made, "metadata": {**made["metadata"], "labels": {"x": "y"}}}
    labelled = objects.update(DEPLOYMENTS, labelled, "me")
    scaled = objects.update(
        DEPLOYMENTS, {**labelled, "spec": {**labelled["spec"], "replicas": 5}}, "me"
    )
    assert (labelled["metadata"]["generation"], scaled["metadata"]["generation"]) == (1, 2)


def test_the_same_again_is_no_write(objects: Objects, clock: Clock) -> None:
    made = objects.create(MAPS, config_map(a="1"), "me")
    clock.forward(60)
    assert objects.update(MAPS, made, "me") is made


def test_a_stale_revision_is_a_conflict(objects: Objects) -> None:
    made = objects.create(MAPS, config_map(a="1"), "me")
    objects.update(MAPS, {**made, "data": {"a": "2"}}, "me")
    with pytest.raises(ApiError, match="the object has been modified"):
        objects.update(MAPS, {**made, "data": {"a": "3"}}, "me")


def test_the_status_has_an_entrance_of_its_own(objects: Objects) -> None:
    made = objects.create(DEPLOYMENTS, deployment(), "me")
    told = {**made, "status": {"replicas": 3}}
    assert "status" not in objects.update(DEPLOYMENTS, told, "me")
    changed = {**told, "spec": {**told["spec"], "replicas": 9}}
    after = objects.update(DEPLOYMENTS, changed, "me", subresource="status")
    assert (after["status"]["replicas"], after["spec"]["replicas"]) == (3, 1)


def test_apply_creates_and_then_changes(objects: Objects) -> None:
    _, new = objects.apply(MAPS, config_map(a="1"), "me", force=False)
    made, again = objects.apply(MAPS, config_map(a="2"), "me", force=False)
    assert (new, again, made["data"]) == (True, False, {"a": "2"})


def test_deleting_takes_it_away(objects: Objects) -> None:
    objects.create(MAPS, config_map(), "me")
    _, gone = objects.delete(MAPS, "shop", "cfg")
    assert gone
    assert objects.store.get(MAPS, "shop", "cfg") is None


def test_a_finalizer_holds_until_it_is_taken_off(objects: Objects) -> None:
    sent = config_map()
    sent["metadata"]["finalizers"] = ["example.com/x"]
    objects.create(MAPS, sent, "me")
    held, gone = objects.delete(MAPS, "shop", "cfg")
    assert not gone
    metadata = {k: v for k, v in held["metadata"].items() if k != "finalizers"}
    objects.update(MAPS, {**held, "metadata": metadata}, "me")
    assert objects.store.get(MAPS, "shop", "cfg") is None


def test_a_running_pod_gets_its_time(objects: Objects) -> None:
    running(objects, objects.create(PODS, pod(), "me"))
    marked, gone = objects.delete(PODS, "shop", "p")
    assert not gone
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30


def test_a_pod_can_be_deleted_at_once(objects: Objects) -> None:
    running(objects, objects.create(PODS, pod(), "me"))
    assert objects.delete(PODS, "shop", "p", Deletion(grace_seconds=0))[1]


def test_another_uid_is_a_conflict(objects: Objects) -> None:
    objects.create(MAPS, config_map(), "me")
    with pytest.raises(ApiError, match="Precondition failed: UID"):
        objects.delete(MAPS, "shop", "cfg", Deletion(uid="other"))


def test_a_namespace_is_only_marked(objects: Objects) -> None:
    marked, gone = objects.delete(kind("Namespace"), "", "shop")
    assert (gone, marked["status"]["phase"]) == (False, "Terminating")
    with pytest.raises(ApiError, match="being terminated"):
        objects.create(MAPS, config_map(), "me")
