"""One project from set to report: apply, repair, removal, refusal, all on the fake cluster."""

from typing import Any

import pytest

from clusters.domain.objects import ObjectId
from deployments.agent.applier import Applier
from deployments.agent.desired import read_desired_set
from deployments.agent.project import share_out
from tests.deployments.agent.conftest import (
    UID,
    FakeBus,
    application,
    claims,
    config_map,
    deployment,
    ship,
    sign,
)
from tests.deployments.agent.fake_kube import FakeKube


def is_synced(row: dict[str, Any]) -> bool:
    return bool(row["sync"] == "synced")


def is_blocked(row: dict[str, Any]) -> bool:
    return bool(row["sync"] == "blocked")


def managers_of(obj: dict[str, Any], field: str) -> set[str]:
    return {
        entry["manager"]
        for entry in obj["metadata"]["managedFields"]
        if field in entry["fieldsV1"].get("f:spec", {})
    }


async def test_the_replica_count_has_a_manager_of_its_own(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, deployment(), web=3)
    await bus.row(is_synced)
    await ship(applier, deployment(image="web:2"), web=3, sequence=2, revision=2)
    await bus.row(lambda row: is_synced(row) and row["revision"] == 2)
    found = kube.find("Deployment", "web")
    assert found is not None
    assert managers_of(found, "f:replicas") == {"fleet-portal-replicas"}
    assert "fleet-portal" in managers_of(found, "f:template")


async def test_scaling_touches_nothing_but_the_count(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, deployment(), web=3)
    await bus.row(is_synced)
    before = kube.writes("Deployment")
    await ship(applier, deployment(), web=5, sequence=2)
    await bus.until(lambda: (kube.find("Deployment", "web") or {})["spec"]["replicas"] == 5)
    assert kube.writes("Deployment") == before + 1


async def test_an_unchanged_set_makes_no_call(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map())
    await bus.row(is_synced)
    before = len(kube.calls)
    for worker in applier.projects["shop"].applications.values():
        await worker.step()
    assert kube.calls[before:] == []


async def test_a_deleted_object_comes_back(applier: Applier, kube: FakeKube, bus: FakeBus) -> None:
    await ship(applier, config_map())
    await bus.row(is_synced)
    await kube.remove("ConfigMap", "settings")
    await bus.row(lambda row: is_synced(row) and row["drift_repaired_at"] is not None)
    assert kube.find("ConfigMap", "settings") is not None


async def test_a_changed_field_is_put_right(applier: Applier, kube: FakeKube, bus: FakeBus) -> None:
    await ship(applier, config_map(colour="red"))
    await bus.row(is_synced)
    await kube.edit("ConfigMap", "settings", "data.colour", "green")
    await bus.row(lambda row: is_synced(row) and row["drift_repaired_at"] is not None)
    found = kube.find("ConfigMap", "settings")
    assert found is not None
    assert found["data"]["colour"] == "red"


async def test_a_field_that_is_not_ours_is_left_alone(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map(colour="red"))
    await bus.row(is_synced)
    before = kube.writes("ConfigMap")
    await kube.edit("ConfigMap", "settings", "data.shape", "round")
    worker = applier.projects["shop"].applications["web"]
    await worker.step()
    assert kube.writes("ConfigMap") == before


async def test_a_refusal_is_told_in_the_clusters_words(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    kube.refuse("patch", "ConfigMap", "configmaps is forbidden: you may not")
    await ship(applier, config_map())
    row = await bus.row(is_blocked)
    assert row["reason"] == "Forbidden"
    assert row["message"] == "ConfigMap settings: configmaps is forbidden: you may not"


async def test_a_withdrawn_right_is_told_when_the_watch_is_renewed(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map())
    await bus.row(is_synced)
    for verb in ("list", "watch"):
        kube.refuse(verb, "ConfigMap", f"configmaps is forbidden: cannot {verb}")
    await kube.end_watches()
    row = await bus.row(is_blocked)
    assert "cannot" in row["message"]
    assert row["health"] == "unknown"


async def test_objects_of_others_are_left_alone(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await kube.create(config_map(colour="theirs"))
    await ship(applier, config_map(colour="ours"))
    row = await bus.row(is_blocked)
    assert row["reason"] == "OwnedByOther"
    found = kube.find("ConfigMap", "settings")
    assert found is not None
    assert found["data"] == {"colour": "theirs"}


async def test_a_missing_kind_holds_up_nothing_else(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    kube.unknown_kinds.add("Widget")
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "app"},
    }
    await ship(applier, config_map(), widget)
    row = await bus.row(lambda row: row["sync"] == "waiting_for_api")
    assert row["reason"] == "ApiMissing"
    assert kube.find("ConfigMap", "settings") is not None


async def test_what_is_wanted_no_more_is_removed_when_the_rest_is_there(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map("old"), config_map("both"))
    await bus.row(is_synced)
    await ship(applier, config_map("both"), config_map("new", a="b"), sequence=2, revision=2)
    await bus.row(lambda row: is_synced(row) and len(row["objects"]) == 2)
    await bus.until(lambda: kube.find("ConfigMap", "old") is None)
    assert kube.find("ConfigMap", "new") is not None


async def test_an_application_out_of_the_set_is_removed_and_its_row_goes(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map())
    await bus.row(is_synced)
    await applier.put_desired("shop", sign(claims(sequence=2)))
    await bus.until(lambda: bus.latest["targets", "shop"]["rows"] == [])
    assert kube.find("ConfigMap", "settings") is None


async def test_a_claim_of_a_removed_application_is_kept_and_told(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "app"},
        "spec": {"accessModes": ["ReadWriteOnce"]},
    }
    await ship(applier, claim)
    await bus.row(is_synced)
    await applier.put_desired("shop", sign(claims(sequence=2)))
    row = await bus.row(lambda row: row["sync"] == "orphaned")
    assert row["reason"] == "PruneHeld"
    assert kube.find("PersistentVolumeClaim", "data") is not None


async def test_a_refused_removal_is_told(applier: Applier, kube: FakeKube, bus: FakeBus) -> None:
    await ship(applier, config_map())
    await bus.row(is_synced)
    kube.refuse("delete", "ConfigMap", "cannot delete it")
    await applier.put_desired("shop", sign(claims(sequence=2)))
    row = await bus.row(lambda row: row["sync"] == "orphaned")
    assert "cannot delete it" in row["message"]


async def test_an_object_handed_to_another_application_is_not_removed(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map())
    await bus.row(is_synced)
    before = kube.find("ConfigMap", "settings")
    await ship(applier, config_map(), sequence=2, name="api")
    await bus.row(is_synced, "api")
    after = kube.find("ConfigMap", "settings")
    assert before is not None
    assert after is not None
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert after["metadata"]["labels"]["fleet-portal.io/application"] == "api"


async def test_rows_are_reported_only_when_they_change(
    applier: Applier, kube: FakeKube, bus: FakeBus
) -> None:
    await ship(applier, config_map())
    await bus.row(is_synced)
    before = bus.count
    applier.projects["shop"].report()
    assert bus.count == before


@pytest.mark.parametrize("replicas_ready", [0, 3])
async def test_health_follows_the_objects_status(
    applier: Applier, kube: FakeKube, bus: FakeBus, replicas_ready: int
) -> None:
    await ship(applier, deployment(), web=3)
    await bus.row(is_synced)
    counts = dict.fromkeys(
        ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas_ready
    )
    await kube.set_status("Deployment", "web", observedGeneration=0, **counts)
    wanted = "healthy" if replicas_ready else "progressing"
    row = await bus.row(lambda row: row["health"] == wanted)
    assert (row["ready"], row["desired"]) == (replicas_ready, 3)
    assert (row["healthy_since"] is not None) == bool(replicas_ready)


def test_an_object_that_two_applications_want_goes_to_the_first() -> None:
    both = claims(application(config_map(), name="b"), application(config_map(), name="a"))
    owners, taken = share_out(read_desired_set(both, "", UID))
    identity = ObjectId("", "ConfigMap", "app", "settings")
    assert owners == {identity: "a"}
    assert taken == {"b": {identity: "a"}}
