"""What the cluster has: nodes, and what Pods ask of them; told by watch, never by polling.

Everything is read as `fleet:controller:observer`, so the cluster's administrator can narrow it.
Of a Pod only its node and requests are kept. Reports go out on change, at most once a second:
"nodes" (the full list) and "usage" (requests of scheduled Pods that have not ended, per node).
"access", the proof that the observer may read both, goes out at once whenever it changes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from clusters.agent.kube import AgentKubeError, KubeObject, ObjectList, WatchEvent
from clusters.domain.objects import milli_of, whole_of
from clusters.domain.requests import Requests, is_terminal, pod_requests

log = logging.getLogger(__name__)

OBSERVER = "fleet:controller:observer"
REPORT_EACH_SECONDS = 1.0
RENEW_SECONDS = 240.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0

_REGION = "topology.kubernetes.io/region"
_ZONE = "topology.kubernetes.io/zone"


class ReportBus(Protocol):
    """Keeps the latest report per kind and key."""

    def publish(self, kind: str, key: str, report: dict[str, Any]) -> None:
        """Replace the latest report of this kind and key."""


class Follower(Protocol):
    """The call of clusters.agent.kube.AgentKube that is needed here."""

    def follow(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        renew_seconds: float = 300,
        as_identity: str | None = None,
    ) -> AsyncIterator[ObjectList | WatchEvent]: ...


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is kept of one Pod; `node` is empty until it is scheduled."""

    node: str
    requests: Requests
    running: bool


def node_facts(node: KubeObject) -> dict[str, Any]:
    """Return a node as it is reported: place, readiness, what Pods may use (allocatable)."""
    metadata, status = node["metadata"], node.get("status") or {}
    labels = metadata.get("labels") or {}
    room = status.get("allocatable") or {}
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or []}
    return {
        "name": metadata["name"],
        "region": labels.get(_REGION, ""),
        "zone": labels.get(_ZONE, ""),
        "ready": conditions.get("Ready") == "True",
        "schedulable": not (node.get("spec") or {}).get("unschedulable", False),
        "cpu_milli": _quantity(milli_of, room.get("cpu")),
        "memory_bytes": _quantity(whole_of, room.get("memory")),
        "pods": _quantity(whole_of, room.get("pods")),
        "kubelet_version": (status.get("nodeInfo") or {}).get("kubeletVersion", ""),
    }


def pod_facts(pod: KubeObject) -> PodFacts | None:
    """Return what is kept of a Pod; None once it has ended."""
    if is_terminal(pod):
        return None
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    running = (pod.get("status") or {}).get("phase") == "Running"
    return PodFacts(node, pod_requests(pod), running)


class Inventory:
    """Follows nodes and Pods and reports them."""

    def __init__(
        self,
        kube: Follower,
        bus: ReportBus,
        mode: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kube = kube
        self._bus = bus
        self._mode = mode
        self._clock = clock
        self._nodes: dict[str, dict[str, Any]] = {}
        self._pods: dict[str, PodFacts] = {}
        self._checks: dict[str, str | None] = {}  # what -> the cluster's refusal, None if allowed
        self._changed: set[str] = set()
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Follow and report until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_following("Node", self.take_node))
            tasks.create_task(self._keep_following("Pod", self.take_pod))
            tasks.create_task(self._keep_reporting())

    def take_node(self, seen: ObjectList | WatchEvent) -> None:
        """Take over what a list or a watch told about nodes; status heartbeats change nothing."""
        before = dict(self._nodes)
        if isinstance(seen, ObjectList):
            self._nodes = {node["metadata"]["name"]: node_facts(node) for node in seen.items}
        elif seen.type == "DELETED":
            self._nodes.pop(seen.object["metadata"]["name"], None)
        else:
            self._nodes[seen.object["metadata"]["name"]] = node_facts(seen.object)
        if self._nodes != before or isinstance(seen, ObjectList):
            self._mark("nodes")

    def take_pod(self, seen: ObjectList | WatchEvent) -> None:
        """Take over what a list or a watch told about Pods."""
        if isinstance(seen, ObjectList):
            listed = {pod["metadata"]["uid"]: pod_facts(pod) for pod in seen.items}
            self._pods = {uid: facts for uid, facts in listed.items() if facts}
            self._mark("usage")
            return
        uid = seen.object["metadata"]["uid"]
        facts = None if seen.type == "DELETED" else pod_facts(seen.object)
        if self._pods.get(uid) == facts:
            return
        if facts:
            self._pods[uid] = facts
        else:
            self._pods.pop(uid, None)
        self._mark("usage")

    def check(self, what: str, refusal: str | None) -> None:
        """Note whether the observer may read `what`; the refusal is the cluster's sentence."""
        if what not in self._checks or self._checks[what] != refusal:
            self._checks[what] = refusal
            # Never held back by the pace of the others: a cluster that joins waits for it.
            if len(self._checks) == len(_CHECKS):
                self._bus.publish("access", "access", self._access())

    def publish(self) -> None:
        """Report what changed since the last time."""
        changed, self._changed = self._changed, set()
        if "nodes" in changed:
            nodes = sorted(self._nodes.values(), key=lambda node: str(node["name"]))
            self._bus.publish("nodes", "nodes", {"kind": "nodes", "nodes": nodes})
        if "usage" in changed:
            self._bus.publish("usage", "usage", self._usage())

    def _mark(self, kind: str) -> None:
        self._changed.add(kind)
        self._woken.set()

    def _usage(self) -> dict[str, Any]:
        totals: dict[str, Requests] = {}
        counts: dict[str, int] = {}
        running = sum(pod.running for pod in self._pods.values())
        for pod in self._pods.values():
            if not pod.node:
                continue
            totals[pod.node] = totals.get(pod.node, Requests()).plus(pod.requests)
            counts[pod.node] = counts.get(pod.node, 0) + 1
        return {
            "kind": "usage",
            "nodes": {
                name: {
                    "cpu_milli": total.cpu_milli,
                    "memory_bytes": total.memory_bytes,
                    "pods": counts[name],
                }
                for name, total in sorted(totals.items())
            },
            "pods_running": running,
            "pods_pending": len(self._pods) - running,
            "at": self._clock(),
        }

    def _access(self) -> dict[str, Any]:
        checks = [
            {"what": what, "ok": refusal is None, "message": refusal or ""}
            for what, refusal in sorted(self._checks.items())
        ]
        passed = all(check["ok"] for check in checks)
        return {"kind": "access", "mode": self._mode, "passed": passed, "checks": checks}

    async def _keep_reporting(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            self.publish()
            await asyncio.sleep(REPORT_EACH_SECONDS)

    async def _keep_following(
        self, kind: str, take: Callable[[ObjectList | WatchEvent], None]
    ) -> None:
        wait, may_watch = FIRST_WAIT, True
        while True:
            listed = False
            try:
                async for seen in self._kube.follow(
                    "v1", kind, renew_seconds=RENEW_SECONDS, as_identity=OBSERVER
                ):
                    may_watch = may_watch or listed  # something came by watch
                    listed, wait = True, FIRST_WAIT
                    if may_watch:
                        self.check(_CHECKS[kind], None)
                    take(seen)
            except AgentKubeError as error:
                # Without an answer nothing is known about rights; "API unreachable" says that.
                if error.status in (401, 403):
                    may_watch = not listed
                    self.check(_CHECKS[kind], error.message)
            except Exception:
                log.exception("following %s failed", kind)
            await asyncio.sleep(wait * random.uniform(0.9, 1.1))  # noqa: S311
            wait = min(LONGEST_WAIT, wait * 2)


_CHECKS = {"Node": "read nodes", "Pod": "read pods"}


def _quantity(read: Callable[[object], int], value: object) -> int:
    try:
        return read(value) if value is not None else 0
    except ValueError:
        return 0
