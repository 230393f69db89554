"""Nodes, usage and access, from what lists and watches tell."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clusters.agent.inventory import OBSERVER, Inventory, node_facts, pod_facts
from clusters.agent.kube import ApiDenied, ApiUnreachable, ObjectList, WatchEvent

Step = ObjectList | WatchEvent | Exception


class Bus:
    def __init__(self) -> None:
        self.latest: dict[str, dict[str, Any]] = {}
        self.count = 0
        self.news = asyncio.Event()

    def publish(self, kind: str, key: str, report: dict[str, Any]) -> None:
        self.latest[kind] = report
        self.count += 1
        self.news.set()


class Script:
    """What following a kind yields, once; then it hangs like a quiet watch."""

    def __init__(self, **steps: list[Step]) -> None:
        self.steps = steps
        self.identities: set[str | None] = set()

    async def follow(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        renew_seconds: float = 300,
        as_identity: str | None = None,
    ) -> AsyncIterator[ObjectList | WatchEvent]:
        self.identities.add(as_identity)
        for step in self.steps.get(kind, []):
            if isinstance(step, Exception):
                raise step
            yield step
        await asyncio.Event().wait()


def node(name: str = "n1", *, ready: str = "True", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "labels": {
                "topology.kubernetes.io/region": "eu",
                "topology.kubernetes.io/zone": "eu-a",
            },
        },
        "spec": spec,
        "status": {
            "allocatable": {"cpu": "3920m", "memory": "16Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": ready}],
            "nodeInfo": {"kubeletVersion": "v1.36.3"},
        },
    }


def pod(uid: str, node: str = "n1", phase: str = "Running", cpu: str = "100m") -> dict[str, Any]:
    containers = [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Mi"}}}]
    spec = {"containers": containers} | ({"nodeName": node} if node else {})
    return {"metadata": {"uid": uid, "name": uid}, "spec": spec, "status": {"phase": phase}}


def inventory() -> tuple[Inventory, Bus]:
    bus = Bus()
    return Inventory(Script(), bus, "observe", lambda: 42.0), bus


def test_a_node_is_told_with_place_and_room() -> None:
    assert node_facts(node()) == {
        "name": "n1",
        "region": "eu",
        "zone": "eu-a",
        "ready": True,
        "schedulable": True,
        "cpu_milli": 3920,
        "memory_bytes": 16 * 2**30,
        "pods": 110,
        "kubelet_version": "v1.36.3",
    }


def test_a_node_without_labels_or_status_is_told_as_it_is() -> None:
    facts = node_facts({"metadata": {"name": "bare"}})
    assert (facts["region"], facts["ready"], facts["cpu_milli"]) == ("", False, 0)


def test_an_ended_pod_is_nothing() -> None:
    assert pod_facts(pod("a", phase="Succeeded")) is None


def test_usage_adds_up_per_node() -> None:
    made, bus = inventory()
    pods = [pod("a"), pod("b", cpu="1"), pod("c", "n2"), pod("d", "", "Pending")]
    made.take_pod(ObjectList([*pods, pod("e", phase="Failed")], "1"))
    made.publish()
    assert bus.latest["usage"] == {
        "kind": "usage",
        "nodes": {
            "n1": {"cpu_milli": 1100, "memory_bytes": 2**21, "pods": 2},
            "n2": {"cpu_milli": 100, "memory_bytes": 2**20, "pods": 1},
        },
        "pods_running": 3,
        "pods_pending": 1,
        "at": 42.0,
    }


@pytest.mark.parametrize(
    ("event", "cpu_milli"),
    [
        (WatchEvent("ADDED", pod("b")), 200),
        (WatchEvent("MODIFIED", pod("a", cpu="1")), 1000),
        (WatchEvent("MODIFIED", pod("a", phase="Succeeded")), 0),
        (WatchEvent("DELETED", pod("a")), 0),
    ],
)
def test_usage_follows_events(event: WatchEvent, cpu_milli: int) -> None:
    made, bus = inventory()
    made.take_pod(ObjectList([pod("a")], "1"))
    made.take_pod(event)
    made.publish()
    assert bus.latest["usage"]["nodes"].get("n1", {"cpu_milli": 0})["cpu_milli"] == cpu_milli


@pytest.mark.parametrize(
    ("first", "event"),
    [
        ("take_node", WatchEvent("MODIFIED", node())),
        ("take_pod", WatchEvent("MODIFIED", pod("a"))),
        ("take_pod", WatchEvent("DELETED", pod("unknown"))),
    ],
)
def test_events_that_change_nothing_are_not_told(first: str, event: WatchEvent) -> None:
    made, bus = inventory()
    listed = ObjectList([node()] if first == "take_node" else [pod("a")], "1")
    getattr(made, first)(listed)
    made.publish()
    before = bus.count
    getattr(made, first)(event)
    made.publish()
    assert bus.count == before


def test_nodes_come_and_go() -> None:
    made, bus = inventory()
    made.take_node(ObjectList([node("b"), node("a")], "1"))
    made.take_node(WatchEvent("MODIFIED", node("a", ready="Unknown")))
    made.take_node(WatchEvent("DELETED", node("b")))
    made.publish()
    assert [(each["name"], each["ready"]) for each in bus.latest["nodes"]["nodes"]] == [
        ("a", False)
    ]


async def run(script: Script, wanted: str) -> Bus:
    bus = Bus()
    task = asyncio.create_task(Inventory(script, bus, "observe").run())
    async with asyncio.timeout(5):
        while wanted not in bus.latest:
            bus.news.clear()
            await bus.news.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return bus


async def test_the_access_test_passes_when_both_can_be_read() -> None:
    script = Script(Node=[ObjectList([], "1")], Pod=[ObjectList([], "1")])
    bus = await run(script, "access")
    assert bus.latest["access"]["passed"]
    assert script.identities == {OBSERVER}


def test_the_access_test_does_not_wait_for_its_turn() -> None:
    made, bus = inventory()
    made.check("read nodes", None)
    assert "access" not in bus.latest
    made.check("read pods", None)
    assert bus.latest["access"]["passed"]


async def test_a_refusal_is_told_in_the_clusters_words() -> None:
    denied = ApiDenied("nodes is forbidden", status=403)
    bus = await run(Script(Node=[denied], Pod=[ObjectList([], "1")]), "access")
    assert bus.latest["access"] == {
        "kind": "access",
        "mode": "observe",
        "passed": False,
        "checks": [
            {"what": "read nodes", "ok": False, "message": "nodes is forbidden"},
            {"what": "read pods", "ok": True, "message": ""},
        ],
    }


async def test_an_api_that_is_away_says_nothing_about_access() -> None:
    away = ApiUnreachable("away")
    bus = await run(Script(Node=[away], Pod=[ObjectList([], "1")]), "usage")
    assert "access" not in bus.latest
