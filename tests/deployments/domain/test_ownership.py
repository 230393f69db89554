"""Whose object it is."""

from typing import Any

import pytest

from clusters.domain.objects import ObjectId, ObjectRef
from deployments.domain.ownership import (
    SPEC_MANAGER,
    Owner,
    Standing,
    managers_in_conflict,
    managers_of,
    marked_by_us_alone,
    marks,
    may_force,
    owner_of,
    replicas_of,
    stamp,
    standing_of,
    with_replicas,
)

OWNER = Owner("shop", "web")
LABEL_FIELDS: dict[str, Any] = {"f:metadata": {"f:labels": {"f:fleet-portal.io/project": {}}}}


def entry(manager: str, operation: str = "Apply", time: str = "", **fields: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "time": time, "fieldsV1": fields}


def live(owner: Owner | None = OWNER, *entries: dict[str, Any]) -> dict[str, Any]:
    labels = marks(owner) if owner else {"app": "web"}
    return {"metadata": {"uid": "u1", "labels": labels, "managedFields": list(entries)}}


def test_a_stamped_object_says_whose_it_is() -> None:
    obj = {"kind": "ConfigMap", "metadata": {"name": "x", "labels": {"app": "web"}}}
    metadata = stamp(obj, OWNER, 7)["metadata"]
    assert metadata["labels"] == {
        "app": "web",
        "app.kubernetes.io/managed-by": "fleet-portal",
        "fleet-portal.io/project": "shop",
        "fleet-portal.io/application": "web",
    }
    assert metadata["annotations"] == {"fleet-portal.io/revision": "7"}


def test_a_stamped_object_holds_nothing_that_only_the_api_server_sets() -> None:
    metadata = {"name": "x", "uid": "u", "resourceVersion": "1", "creationTimestamp": None}
    stamped = stamp({"kind": "X", "metadata": metadata, "status": {}}, OWNER, 1)
    assert set(stamped) == {"kind", "metadata"}
    assert set(stamped["metadata"]) == {"name", "labels", "annotations"}


def test_stamping_leaves_the_original_alone() -> None:
    obj: dict[str, Any] = {"kind": "X", "metadata": {"name": "x", "labels": {}}}
    stamp(obj, OWNER, 1)
    assert obj == {"kind": "X", "metadata": {"name": "x", "labels": {}}}


def test_marks_are_read_back() -> None:
    assert owner_of(marks(OWNER)) == OWNER


@pytest.mark.parametrize("missing", sorted(marks(OWNER)))
def test_an_object_without_all_marks_has_no_owner(missing: str) -> None:
    assert owner_of({k: v for k, v in marks(OWNER).items() if k != missing}) is None


@pytest.mark.parametrize(
    ("obj", "known", "standing"),
    [
        (None, {}, Standing.ABSENT),
        (live(None), {}, Standing.FOREIGN),
        (live(Owner("shop", "api")), {}, Standing.OTHER_APPLICATION),
        (live(Owner("bank", "web")), {}, Standing.OTHER_APPLICATION),
        (live(), {"recorded_uid": "u1", "created": True}, Standing.CREATED),
        (live(), {"recorded_uid": "u1", "created": False}, Standing.ADOPTED),
        (live(), {"recorded_uid": "u0", "created": True}, Standing.ADOPTED),
        (live(OWNER, entry(SPEC_MANAGER, **LABEL_FIELDS)), {}, Standing.CREATED),
        (
            live(OWNER, entry(SPEC_MANAGER, **LABEL_FIELDS), entry("kubectl", **LABEL_FIELDS)),
            {},
            Standing.ADOPTED,
        ),
    ],
    ids=[
        "absent",
        "no marks",
        "another application",
        "another project",
        "recorded as created",
        "recorded as adopted",
        "another object by this name",
        "no record, marked by us",
        "no record, marked by somebody too",
    ],
)
def test_whose_an_object_is(
    obj: dict[str, Any] | None, known: dict[str, Any], standing: Standing
) -> None:
    assert standing_of(obj, OWNER, **known) is standing


@pytest.mark.parametrize("standing", list(Standing))
def test_only_what_we_made_is_forced(standing: Standing) -> None:
    assert may_force(standing) is (standing in (Standing.ABSENT, Standing.CREATED))


def test_an_update_by_our_name_is_no_mark_of_ours() -> None:
    assert not marked_by_us_alone(live(OWNER, entry(SPEC_MANAGER, "Update", **LABEL_FIELDS)))


def test_a_count_is_added_without_touching_the_rest() -> None:
    assert with_replicas({"kind": "X", "spec": {"a": 1}}, 3) == {
        "kind": "X",
        "spec": {"a": 1, "replicas": 3},
    }


def test_the_replicas_manager_says_nothing_but_the_count() -> None:
    ref = ObjectRef(ObjectId("apps", "Deployment", "n", "web"), "v1")
    assert replicas_of(ref, 3, "u1") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n", "uid": "u1"},
        "spec": {"replicas": 3},
    }


def test_conflicts_name_the_other_managers() -> None:
    messages = ['conflict with "hpa" using v1: .x', 'conflict with "fleet-portal" using v1: .y']
    assert managers_in_conflict(messages) == ["hpa"]


def test_other_managers_come_latest_first() -> None:
    obj = live(OWNER, entry("old", time="1"), entry(SPEC_MANAGER, time="3"), entry("new", time="2"))
    assert managers_of(obj) == ["new", "old"]
