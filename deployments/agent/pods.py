"""Which workloads of a project have Pods that do not come up, and why.

One watch of Pods per namespace that holds workloads, as the project. Only the trouble is kept.
Without the right to read Pods there is just no reason beside a workload that is not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from clusters.agent.kube import AgentKubeError, KubeObject, ObjectList, WatchEvent
from clusters.domain.objects import ObjectId, split_api_version
from deployments.agent.ports import KubeApi
from deployments.domain.pod_trouble import PodTrouble, pod_trouble, worst_trouble

log = logging.getLogger(__name__)

RENEW_SECONDS = 240.0
RETRY_SECONDS = 30.0


def workload_of(pod: KubeObject) -> ObjectId | None:
    """Return the workload that a Pod belongs to; of a ReplicaSet's Pod, its Deployment.

    A Deployment names its ReplicaSets after itself and the Pod template's hash.
    """
    metadata = pod["metadata"]
    owners = [ref for ref in metadata.get("ownerReferences") or [] if ref.get("controller")]
    if not owners:
        return None
    owner = owners[0]
    group = split_api_version(str(owner.get("apiVersion", "")))[0]
    kind, name = str(owner.get("kind")), str(owner.get("name"))
    template = (metadata.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        kind, name = "Deployment", name.removesuffix(f"-{template}")
    return ObjectId(group, kind, str(metadata.get("namespace", "")), name)


class PodTroubles:
    """The troubles of one project's Pods, by workload."""

    def __init__(
        self,
        kube: KubeApi,
        project: str,
        on_change: Callable[[ObjectId], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kube = kube
        self._identity = f"fleet:project:{project}"
        self._on_change = on_change
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._troubles: dict[ObjectId, dict[str, PodTrouble]] = {}

    def look_at(self, namespaces: Iterable[str]) -> None:
        """Watch the Pods of exactly these namespaces from now on."""
        wanted = set(namespaces)
        for namespace in [each for each in self._tasks if each not in wanted]:
            self._tasks.pop(namespace).cancel()
            self._forget(namespace)
        for namespace in wanted - self._tasks.keys():
            self._tasks[namespace] = asyncio.create_task(self._run(namespace))

    async def close(self) -> None:
        """End every watch."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def of(self, workload: ObjectId) -> PodTrouble | None:
        """Return the worst trouble of a workload's Pods."""
        return worst_trouble(self._troubles.get(workload, {}).values())

    def take(self, namespace: str, seen: ObjectList | WatchEvent) -> None:
        """Take over what a list or a watch told."""
        if isinstance(seen, ObjectList):
            self._forget(namespace)
            for pod in seen.items:
                self._note(pod, gone=False)
        else:
            self._note(seen.object, gone=seen.type == "DELETED")

    async def _run(self, namespace: str) -> None:
        while True:
            try:
                with contextlib.suppress(AgentKubeError):
                    async for seen in self._kube.follow(
                        "v1",
                        "Pod",
                        namespace,
                        renew_seconds=RENEW_SECONDS,
                        as_identity=self._identity,
                    ):
                        self.take(namespace, seen)
            except Exception:
                log.exception("watch of Pods in %s failed", namespace)
            self._forget(namespace)
            await asyncio.sleep(RETRY_SECONDS)

    def _note(self, pod: KubeObject, *, gone: bool) -> None:
        workload = workload_of(pod)
        if workload is None:
            return
        name = pod["metadata"]["name"]
        ending = gone or _ends(pod)
        trouble = None if ending else pod_trouble(pod, self._clock())
        known = self._troubles.setdefault(workload, {})
        before = known.get(name)
        if trouble:
            known[name] = trouble
        else:
            known.pop(name, None)
        if not known:
            self._troubles.pop(workload)
        if before != trouble:
            self._on_change(workload)

    def _forget(self, namespace: str) -> None:
        for workload in [each for each in self._troubles if each.namespace == namespace]:
            del self._troubles[workload]
            self._on_change(workload)


def _ends(pod: KubeObject) -> bool:
    metadata: dict[str, Any] = pod["metadata"]
    phase = (pod.get("status") or {}).get("phase")
    return bool(metadata.get("deletionTimestamp")) or phase in ("Succeeded", "Failed")
