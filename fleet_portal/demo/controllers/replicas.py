"""ReplicaSets, StatefulSets, DaemonSets and Jobs: the right Pods, and how many are ready."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fleet_portal.demo.apiserver.objects import generated_name
from fleet_portal.demo.apiserver.store import Object
from fleet_portal.demo.controllers.base import (
    MANAGER,
    Context,
    condition,
    is_ending,
    is_ready,
    kind,
    owned_by,
    owner_reference,
)

PODS = kind("", "Pod")
NODES = kind("", "Node")
REPLICA_SETS = kind("apps", "ReplicaSet")
STATEFUL_SETS = kind("apps", "StatefulSet")
DAEMON_SETS = kind("apps", "DaemonSet")
JOBS = kind("batch", "Job")
REVISION_LABEL = "controller-revision-hash"


def pods_of(context: Context, owner: Object) -> list[Object]:
    return owned_by(owner, context.store.all(PODS, owner["metadata"]["namespace"]))


def create_pod(
    context: Context, owner: Object, name: str, labels: dict[str, str] | None = None,
    node: str = "",
) -> None:  # fmt: skip
    template = owner["spec"]["template"]
    metadata = template.get("metadata", {})
    spec = {**template["spec"]}
    if node:
        spec["nodeName"] = node
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **{k: v for k, v in metadata.items() if k in ("annotations",)},
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {**metadata.get("labels", {}), **(labels or {})},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": spec,
    }
    context.objects.create(PODS, pod, MANAGER)


def delete_pods(context: Context, pods: Iterable[Object]) -> None:
    for pod in pods:
        context.objects.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])


def is_available(context: Context, pod: Object, owner: Object) -> bool:
    """Return whether a Pod has been ready for its owner's minReadySeconds; else look again."""
    if not is_ready(pod):
        return False
    least = owner["spec"].get("minReadySeconds", 0)
    ready = condition(pod, "Ready")
    if not least or ready is None:
        return True
    since = datetime.fromisoformat(ready["lastTransitionTime"].replace("Z", "+00:00"))
    now = datetime.fromisoformat(context.now().replace("Z", "+00:00"))
    left = least - (now - since).total_seconds()
    if left > 0:
        metadata = owner["metadata"]
        context.again(
            left + 0.1, kind("apps", owner["kind"]), metadata["namespace"], metadata["name"]
        )
    return bool(left <= 0)


def _present(pods: list[Object]) -> list[Object]:
    ended = ("Succeeded", "Failed")
    return [p for p in pods if not is_ending(p) and p["status"].get("phase") not in ended]


def reconcile_replica_set(context: Context, namespace: str, name: str) -> None:
    owner = context.store.get(REPLICA_SETS, namespace, name)
    if owner is None or is_ending(owner):
        return
    pods = _present(pods_of(context, owner))
    wanted = owner["spec"]["replicas"]
    for _ in range(wanted - len(pods)):
        create_pod(context, owner, generated_name(f"{name}-"))
    # Not-ready Pods go first, so that scaling down costs the least service.
    delete_pods(context, sorted(pods, key=is_ready)[: max(0, len(pods) - wanted)])
    pods = _present(pods_of(context, owner))
    numbers = {
        "fullyLabeledReplicas": len(pods),
        "readyReplicas": sum(map(is_ready, pods)),
        "availableReplicas": sum(is_available(context, p, owner) for p in pods),
    }
    status = {
        "replicas": len(pods),
        **{k: v for k, v in numbers.items() if v},
        "observedGeneration": owner["metadata"]["generation"],
    }
    context.set_status(REPLICA_SETS, owner, status)


def _digest(owner: Object) -> str:
    # The generation changes with the template, which is all a revision has to tell apart.
    return f"{owner['metadata']['name'][:40]}-{owner['metadata']['generation']}"


def reconcile_stateful_set(context: Context, namespace: str, name: str) -> None:
    """Keep numbered Pods, one change at a time, the highest number first when replacing."""
    owner = context.store.get(STATEFUL_SETS, namespace, name)
    if owner is None or is_ending(owner):
        return
    wanted = owner["spec"]["replicas"]
    pods = {p["metadata"]["name"]: p for p in pods_of(context, owner)}
    names = [f"{name}-{number}" for number in range(wanted)]
    delete_pods(context, [p for n, p in pods.items() if n not in names and not is_ending(p)])
    image = _images(owner["spec"]["template"]["spec"])
    for pod_name in names:
        pod = pods.get(pod_name)
        if pod is None:
            create_pod(context, owner, pod_name, {REVISION_LABEL: _digest(owner)})
            break
        if not is_ready(pod) and _images(pod["spec"]) == image:
            break
    else:
        stale = [n for n in reversed(names) if _images(pods[n]["spec"]) != image]
        delete_pods(context, [pods[n] for n in stale[:1] if not is_ending(pods[n])])
    present = _present(pods_of(context, owner))
    fresh = [p for p in present if _images(p["spec"]) == image]
    status = {
        "observedGeneration": owner["metadata"]["generation"],
        "replicas": len(present),
        "readyReplicas": sum(map(is_ready, present)),
        "availableReplicas": sum(is_available(context, p, owner) for p in present),
        "currentReplicas": len(fresh),
        "updatedReplicas": len(fresh),
        "currentRevision": _digest(owner),
        "updateRevision": _digest(owner),
        "collisionCount": 0,
    }
    context.set_status(STATEFUL_SETS, owner, status)


def _images(spec: Object) -> list[str]:
    return [c["image"] for c in spec.get("containers", [])]


def reconcile_daemon_set(context: Context, namespace: str, name: str) -> None:
    """Keep one Pod on each node that may take Pods."""
    owner = context.store.get(DAEMON_SETS, namespace, name)
    if owner is None or is_ending(owner):
        return
    nodes = [n for n in context.store.all(NODES) if not n["spec"].get("unschedulable")]
    wanted = {n["metadata"]["name"] for n in nodes}
    pods = _present(pods_of(context, owner))
    image = _images(owner["spec"]["template"]["spec"])
    fresh = [p for p in pods if _images(p["spec"]) == image]
    delete_pods(context, [p for p in pods if p not in fresh][:1])
    held = {p["spec"].get("nodeName") for p in pods}
    for node in sorted(wanted - held):
        create_pod(context, owner, generated_name(f"{name}-"), node=node)
    pods = _present(pods_of(context, owner))
    ready = sum(map(is_ready, pods))
    status = {
        "observedGeneration": owner["metadata"]["generation"],
        "desiredNumberScheduled": len(wanted),
        "currentNumberScheduled": len(pods),
        "updatedNumberScheduled": len(fresh),
        "numberReady": ready,
        "numberAvailable": ready,
        "numberMisscheduled": 0,
        "numberUnavailable": max(0, len(wanted) - ready),
    }
    context.set_status(DAEMON_SETS, owner, status)


def reconcile_job(context: Context, namespace: str, name: str) -> None:
    """Start a Job's Pods and note its end; its Pods succeed once they have run a while."""
    owner = context.store.get(JOBS, namespace, name)
    if owner is None or is_ending(owner) or condition(owner, "Complete"):
        return
    pods = pods_of(context, owner)
    succeeded = sum(p["status"].get("phase") == "Succeeded" for p in pods)
    wanted = owner["spec"].get("completions", 1)
    active = _present(pods)
    room = min(owner["spec"]["parallelism"], wanted - succeeded) - len(active)
    if not owner["spec"].get("suspend"):
        for _ in range(max(0, room)):
            create_pod(context, owner, generated_name(f"{name}-"))
    status: Object = {
        "startTime": owner.get("status", {}).get("startTime") or context.now(),
        "active": len(_present(pods_of(context, owner))),
        "ready": sum(map(is_ready, active)),
        "succeeded": succeeded,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }
    if succeeded >= wanted:
        now = context.now()
        status["completionTime"] = now
        status["conditions"] = [
            {
                "type": "Complete",
                "status": "True",
                "lastProbeTime": now,
                "lastTransitionTime": now,
                "reason": "CompletionsReached",
                "message": "Reached expected number of succeeded pods",
            }
        ]
    context.set_status(JOBS, owner, status)
