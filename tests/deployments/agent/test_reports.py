"""Rows: the first thing to know, all the rest, and a digest."""

from typing import Any

import pytest

from clusters.domain.objects import ObjectId, ObjectRef
from deployments.agent.application import ApplicationWorker
from deployments.agent.desired import WantedApplication, WantedObject
from deployments.agent.item import Decision, Do, Item
from deployments.agent.reports import (
    MESSAGE_CHARACTERS,
    clip,
    report_of,
    row_of,
    row_of_removed,
)
from deployments.agent.writer import Surroundings
from deployments.domain.drift import Drift
from deployments.domain.health import Verdict
from deployments.domain.ownership import Owner
from deployments.domain.words import Health, Reason, Sync
from tests.deployments.agent.fake_kube import FakeKube
from tests.deployments.agent.test_writer import Desk

WELL = Verdict(Health.HEALTHY)


def around() -> Surroundings:
    return Desk(FakeKube()).around


def worker(**objects: tuple[Decision, Verdict]) -> ApplicationWorker:
    made = ApplicationWorker(around(), WantedApplication("web", 7, "sha256:d", ()))
    for name, (decision, verdict) in objects.items():
        identity = ObjectId("apps", "Deployment", "app", name)
        item = Item(WantedObject(ObjectRef(identity, "v1"), "sha256:x"), Owner("shop", "web"), 7)
        item.decision, item.verdict = decision, verdict
        made.items[identity] = item
    return made


def state(sync: Sync, reason: Reason = Reason.NONE, message: str = "") -> Decision:
    return Decision(Do.NOTHING, sync, reason, message)


SYNCED = state(Sync.SYNCED)


def test_counts_are_added_up() -> None:
    first, second = (
        Verdict(Health.HEALTHY, ready=2, desired=2),
        Verdict(Health.PROGRESSING, ready=1, desired=3),
    )
    row = row_of(worker(a=(SYNCED, first), b=(SYNCED, second)), {})
    assert (row["ready"], row["desired"]) == (3, 5)


def test_a_row_is_as_good_as_its_worst_object() -> None:
    blocked = state(Sync.BLOCKED, Reason.FORBIDDEN, "no")
    degraded = Verdict(Health.DEGRADED, Reason.IMAGE_PULL, "no such image")
    row = row_of(worker(a=(blocked, WELL), b=(SYNCED, degraded), c=(SYNCED, WELL)), {})
    assert (row["sync"], row["health"]) == ("blocked", "degraded")


@pytest.mark.parametrize(
    ("made", "leftovers", "reason", "message"),
    [
        (worker(a=(SYNCED, WELL)), {}, "", ""),
        (
            worker(a=(state(Sync.BLOCKED, Reason.FORBIDDEN, "no"), WELL), b=(SYNCED, WELL)),
            {},
            "Forbidden",
            "Deployment a: no",
        ),
        (
            worker(a=(SYNCED, Verdict(Health.DEGRADED, Reason.IMAGE_PULL, "no image"))),
            {},
            "ImagePull",
            "Deployment a: no image",
        ),
        (
            worker(a=(SYNCED, WELL)),
            {ObjectId("", "ConfigMap", "app", "old"): "too many at once"},
            "PruneHeld",
            "ConfigMap old: too many at once",
        ),
        (
            worker(a=(state(Sync.SYNCED, message="read again each 30 s"), WELL)),
            {},
            "",
            "Deployment a: read again each 30 s",
        ),
    ],
    ids=["well", "refused", "unwell", "held", "seen badly"],
)
def test_a_row_says_first_what_to_know_first(
    made: ApplicationWorker, leftovers: dict[ObjectId, str], reason: str, message: str
) -> None:
    row = row_of(made, leftovers)
    assert (row["reason"], row["message"]) == (reason, message)


def test_leftovers_do_not_make_a_wanted_application_less_in_sync() -> None:
    old = ObjectId("", "ConfigMap", "app", "old")
    row = row_of(worker(a=(SYNCED, WELL)), {old: "kept"})
    assert row["sync"] == "synced"
    assert [each["sync"] for each in row["objects"]] == ["synced", "orphaned"]


def test_drift_is_told_field_by_field_with_a_limit() -> None:
    drift = tuple(Drift(f"data.{number}", "robot") for number in range(50))
    decision = Decision(Do.NOTHING, Sync.DRIFTED, drift=drift)
    row = row_of(worker(a=(decision, WELL)), {})
    assert len(row["objects"][0]["drift"]) == 20


def test_an_application_that_goes_says_so() -> None:
    old = ObjectId("", "ConfigMap", "app", "old")
    assert row_of_removed("web", {old: ""})["sync"] == "applying"
    held = row_of_removed("web", {old: "cannot delete"})
    assert (held["sync"], held["reason"]) == ("orphaned", "PruneHeld")
    assert held["message"] == "ConfigMap old: cannot delete"


def rows(*names: str) -> list[dict[str, Any]]:
    return [{"application": name} for name in names]


def test_the_root_is_the_same_for_the_same_rows() -> None:
    one = report_of("shop", 1, 2, rows("a", "b"))
    assert one["root"] == report_of("shop", 1, 2, rows("b", "a"))["root"]
    assert one["root"] != report_of("shop", 1, 3, rows("a", "b"))["root"]
    assert one["root"] != report_of("shop", 1, 2, rows("a"))["root"]


def test_messages_are_short_enough_for_a_row() -> None:
    assert clip("short") == "short"
    assert len(clip("x" * 1000)) == MESSAGE_CHARACTERS
