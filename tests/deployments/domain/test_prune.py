"""What may be removed."""

from dataclasses import replace

import pytest

from clusters.domain.objects import ObjectId
from deployments.domain.ownership import Owner, marks
from deployments.domain.prune import LiveMark, PrunePlan, Record, cap_of, plan_prune

OURS = LiveMark("u1", marks(Owner("shop", "web")))
RECORD = Record("web", "v1", "u1", created=True)


A = ObjectId("", "ConfigMap", "n", "a")


def config(name: str) -> ObjectId:
    return ObjectId("", "ConfigMap", "n", name)


def plan(
    record: Record = RECORD, mark: LiveMark | None = OURS, identity: ObjectId = A
) -> PrunePlan:
    return plan_prune("shop", {identity: record}, {"web": []}, {identity: mark})


def test_a_recorded_object_that_is_ours_is_removed() -> None:
    assert plan().delete == [(A, "u1")]


@pytest.mark.parametrize(
    ("record", "mark"),
    [
        (RECORD, None),
        (replace(RECORD, uid="u0"), OURS),
        (replace(RECORD, created=False), OURS),
        (RECORD, replace(OURS, labels={})),
        (RECORD, replace(OURS, labels=marks(Owner("shop", "api")))),
        (RECORD, replace(OURS, labels=marks(Owner("bank", "web")))),
        (RECORD, replace(OURS, annotations={"fleet-portal.io/prune": "never"})),
        (Record("web", "v1"), OURS),
    ],
    ids=[
        "gone",
        "another object by this name",
        "adopted",
        "marks taken off",
        "another application's",
        "another project's",
        "its owner wants to keep it",
        "only intended, marked by somebody else too",
    ],
)
def test_everything_else_is_forgotten_and_left(record: Record, mark: LiveMark | None) -> None:
    assert plan(record, mark) == PrunePlan(forget=[A])


def test_an_intent_that_came_true_is_removed() -> None:
    mark = replace(OURS, marked_by_us_alone=True)
    assert plan(Record("web", "v1"), mark).delete == [(A, "u1")]


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("", "Namespace"),
        ("", "PersistentVolumeClaim"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ],
)
def test_what_holds_the_work_of_others_is_kept(group: str, kind: str) -> None:
    identity = ObjectId(group, kind, "", "x")
    assert list(plan(identity=identity).held) == [identity]


def test_what_is_not_seen_is_not_touched() -> None:
    assert plan_prune("shop", {A: RECORD}, {}, {}) == PrunePlan()


def test_what_another_application_wants_stays() -> None:
    wanted = {"api": [A]}
    assert plan_prune("shop", {A: RECORD}, wanted, {A: OURS}) == PrunePlan()


def test_what_is_going_already_is_left_to_go() -> None:
    assert plan(mark=replace(OURS, deleting=True)) == PrunePlan()


@pytest.mark.parametrize(("recorded", "cap"), [(0, 5), (10, 5), (26, 6), (100, 20)])
def test_the_cap_is_five_or_a_fifth(recorded: int, cap: int) -> None:
    assert cap_of(recorded) == cap


def many(count: int, wanted: dict[str, list[ObjectId]]) -> PrunePlan:
    identities = [config(str(number)) for number in range(count)]
    records = dict.fromkeys(identities, RECORD)
    return plan_prune("shop", records, wanted, dict.fromkeys(identities, OURS))


def test_a_wanted_application_never_loses_much_at_once() -> None:
    found = many(6, {"web": []})
    assert found.delete == []
    assert len(found.held) == 6
    assert "6 of 6 objects" in next(iter(found.held.values()))


def test_an_application_that_is_out_of_the_set_goes_wholly() -> None:
    assert len(many(6, {}).delete) == 6


def test_removal_goes_in_reverse_order_of_phases() -> None:
    kinds = [("", "ConfigMap"), ("apps", "Deployment"), ("", "Service")]
    identities = [ObjectId(group, kind, "n", "x") for group, kind in kinds]
    found = plan_prune(
        "shop", dict.fromkeys(identities, RECORD), {}, dict.fromkeys(identities, OURS)
    )
    removed = [identity.kind for identity, _ in found.delete]
    assert removed == ["Deployment", "Service", "ConfigMap"]
