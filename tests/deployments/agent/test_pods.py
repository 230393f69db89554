"""Pods' troubles, by the workload they belong to."""

import asyncio
from typing import Any

import pytest

from clusters.agent.kube import ObjectList, WatchEvent
from clusters.domain.objects import ObjectId
from deployments.agent.pods import PodTroubles, workload_of
from deployments.domain.words import Reason
from tests.deployments.agent.fake_kube import FakeKube

WEB = ObjectId("apps", "Deployment", "app", "web")


def pod(name: str = "web-abc-1", reason: str = "", **metadata: Any) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-abc", "controller": True}
    waiting = {"waiting": {"reason": reason}} if reason else {"running": {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "app",
            "labels": {"pod-template-hash": "abc"},
            "ownerReferences": [owner],
            **metadata,
        },
        "status": {"containerStatuses": [{"name": "app", "ready": True, "state": waiting}]},
    }


def owned_by(kind: str, name: str, api_version: str = "apps/v1") -> dict[str, Any]:
    owner = {"apiVersion": api_version, "kind": kind, "name": name, "controller": True}
    return pod(ownerReferences=[owner], labels={})


@pytest.mark.parametrize(
    ("found", "workload"),
    [
        (pod(), WEB),
        (owned_by("StatefulSet", "db"), ObjectId("apps", "StatefulSet", "app", "db")),
        (owned_by("Job", "once", "batch/v1"), ObjectId("batch", "Job", "app", "once")),
        (owned_by("ReplicaSet", "bare"), ObjectId("apps", "ReplicaSet", "app", "bare")),
        (pod(ownerReferences=[]), None),
        (pod(ownerReferences=[{"kind": "Thing", "name": "x"}]), None),
    ],
)
def test_pods_belong_to_their_workload(found: dict[str, Any], workload: ObjectId | None) -> None:
    assert workload_of(found) == workload


class Troubles:
    def __init__(self) -> None:
        self.changed: list[ObjectId] = []
        self.troubles = PodTroubles(FakeKube(), "shop", self.changed.append, lambda: 100.0)

    def tell(self, kind: str, obj: dict[str, Any]) -> None:
        self.troubles.take("app", WatchEvent(kind, obj))

    @property
    def reason(self) -> Reason | None:
        found = self.troubles.of(WEB)
        return found.reason if found else None


def test_a_trouble_is_told_and_ends() -> None:
    made = Troubles()
    made.tell("ADDED", pod(reason="ImagePullBackOff"))
    during = made.reason
    made.tell("MODIFIED", pod())
    assert (during, made.reason) == (Reason.IMAGE_PULL, None)
    assert made.changed == [WEB, WEB]


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("DELETED", pod(reason="CrashLoopBackOff")),
        ("MODIFIED", pod(reason="CrashLoopBackOff", deletionTimestamp="2026-01-01T00:00:00Z")),
    ],
)
def test_a_pod_that_goes_troubles_no_more(kind: str, after: dict[str, Any]) -> None:
    made = Troubles()
    made.tell("ADDED", pod(reason="CrashLoopBackOff"))
    made.tell(kind, after)
    assert made.reason is None


def test_a_list_replaces_what_was_known() -> None:
    made = Troubles()
    made.tell("ADDED", pod(reason="CrashLoopBackOff"))
    made.troubles.take("app", ObjectList([], "9"))
    assert made.reason is None


def test_what_changes_nothing_is_not_told() -> None:
    made = Troubles()
    for _ in range(3):
        made.tell("MODIFIED", pod(reason="CrashLoopBackOff"))
    assert made.changed == [WEB]


async def test_the_pods_of_a_namespace_are_watched(kube: FakeKube) -> None:
    told = asyncio.Event()
    troubles = PodTroubles(kube, "shop", lambda _: told.set(), lambda: 100.0)
    troubles.look_at(["app"])
    await kube.create(pod(reason="ErrImagePull"))
    async with asyncio.timeout(5):
        await told.wait()
    assert troubles.of(WEB) is not None
    troubles.look_at([])
    assert troubles.of(WEB) is None
    await troubles.close()
