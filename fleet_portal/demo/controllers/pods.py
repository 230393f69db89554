"""Scheduler and kubelets: where a Pod goes, and how it comes up and ends.

An image whose tag contains "bad" can't be pulled, so that a rollout can be seen to fail.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clusters.domain.objects import milli_of, whole_of
from clusters.domain.requests import is_terminal, pod_requests
from fleet_portal.demo.apiserver.store import Object
from fleet_portal.demo.controllers.base import (
    Context,
    controller_of,
    image_tag,
    is_ending,
    kind,
)

PODS = kind("", "Pod")
NODES = kind("", "Node")
_RUN_SECONDS_OF_JOBS = 3.0


def reconcile(context: Context, namespace: str, name: str) -> None:
    """Bring a Pod one step on: place it, run it, end it."""
    pod = context.store.get(PODS, namespace, name)
    if pod is None:
        return
    if is_ending(pod):
        _end(context, pod)
    elif not pod["spec"].get("nodeName"):
        _schedule(context, pod)
    elif pod["status"].get("phase") == "Pending":
        _come_up(context, pod)
    elif pod["status"].get("phase") == "Running" and _runs_once(pod):
        _finish(context, pod)


def remove_from_node(context: Context, node: str) -> None:
    """Remove the Pods of a node that is gone, as a cluster's Pod collector does."""
    for pod in context.store.all(PODS):
        if pod["spec"].get("nodeName") == node:
            context.objects.purge(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])


def _age(context: Context, stamp: str) -> float:
    then = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    return (context.objects.clock() - then).total_seconds()


def _later(context: Context, pod: Object, seconds: float) -> None:
    context.again(seconds, PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])


def _end(context: Context, pod: Object) -> None:
    metadata = pod["metadata"]
    left = context.pace.stop_seconds - _age(context, metadata["deletionTimestamp"])
    if left > 0 and metadata.get("deletionGracePeriodSeconds"):
        _later(context, pod, left)
    else:
        context.objects.purge(PODS, metadata["namespace"], metadata["name"])


def _room(context: Context, node: Object) -> tuple[int, int, int]:
    """Return what a node has free: (thousandths of a core, bytes, Pods)."""
    allocatable = node["status"]["allocatable"]
    cpu, memory = milli_of(allocatable["cpu"]), whole_of(allocatable["memory"])
    pods = whole_of(allocatable["pods"])
    for pod in context.store.all(PODS):
        if pod["spec"].get("nodeName") == node["metadata"]["name"] and not is_terminal(pod):
            asked = pod_requests(pod)
            cpu, memory, pods = cpu - asked.cpu_milli, memory - asked.memory_bytes, pods - 1
    return cpu, memory, pods


def _schedule(context: Context, pod: Object) -> None:
    asked = pod_requests(pod)
    wanted = pod["spec"].get("nodeSelector") or {}
    best: tuple[int, str] | None = None
    for node in context.store.all(NODES):
        labels = node["metadata"].get("labels", {})
        if node["spec"].get("unschedulable") or not wanted.items() <= labels.items():
            continue
        cpu, memory, pods = _room(context, node)
        if cpu >= asked.cpu_milli and memory >= asked.memory_bytes and pods > 0:
            best = max(best or (-1, ""), (cpu, node["metadata"]["name"]))
    if best is None:
        _write(context, pod, _unschedulable(context, pod))
        _later(context, pod, 2.0)
        return
    placed = {**pod, "spec": {**pod["spec"], "nodeName": best[1]}}
    conditions = [_condition("PodScheduled", True, context.now())]
    placed["status"] = {**pod["status"], "conditions": conditions}
    context.store.put(PODS, placed)


def _condition(name: str, status: bool, now: str, **more: str) -> Object:
    word = "True" if status else "False"
    return {"type": name, "status": word, "lastProbeTime": None, "lastTransitionTime": now} | more


def _unschedulable(context: Context, pod: Object) -> Object:
    before = [c for c in pod["status"].get("conditions", []) if c["type"] == "PodScheduled"]
    count = len(context.store.all(NODES))
    message = f"0/{count} nodes are available: {count} Insufficient cpu or memory."
    if before and before[0].get("message") == message:
        return dict(pod["status"])
    condition = _condition(
        "PodScheduled", False, context.now(), reason="Unschedulable", message=message
    )
    return {**pod["status"], "conditions": [condition]}


def _write(context: Context, pod: Object, status: Object) -> None:
    if status != pod["status"]:
        context.objects.update(PODS, {**pod, "status": status}, "kubelet", subresource="status")


def _cannot_pull(image: str) -> bool:
    return "bad" in image_tag(image)


def _come_up(context: Context, pod: Object) -> None:
    broken = [c for c in pod["spec"]["containers"] if _cannot_pull(c["image"])]
    left = context.pace.pull_seconds - _age(context, pod["metadata"]["creationTimestamp"])
    if left > 0 and not pod["status"].get("containerStatuses"):
        _later(context, pod, left)
        return
    _write(context, pod, _failing(context, pod) if broken else _running(context, pod))
    if _runs_once(pod):
        _later(context, pod, _RUN_SECONDS_OF_JOBS)


def _container_status(container: Object, state: Object, ready: bool) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }


def _failing(context: Context, pod: Object) -> Object:
    if pod["status"].get("containerStatuses"):
        return dict(pod["status"])
    now = context.now()
    statuses = [
        _container_status(
            container,
            {
                "waiting": {
                    "reason": "ImagePullBackOff",
                    "message": f'Back-off pulling image "{container["image"]}"',
                }
            },
            False,
        )
        for container in pod["spec"]["containers"]
    ]
    unready = {"reason": "ContainersNotReady", "message": "containers with unready status"}
    return {
        **pod["status"],
        **_addresses(context, pod),
        "phase": "Pending",
        "startTime": now,
        "containerStatuses": statuses,
        "conditions": [
            _condition("PodScheduled", True, now),
            _condition("Initialized", True, now),
            _condition("ContainersReady", False, now, **unready),
            _condition("Ready", False, now, **unready),
        ],
    }


def _running(context: Context, pod: Object) -> Object:
    now = context.now()
    statuses = [
        _container_status(container, {"running": {"startedAt": now}}, True)
        for container in pod["spec"]["containers"]
    ]
    names = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        **pod["status"],
        **_addresses(context, pod),
        "phase": "Running",
        "startTime": now,
        "containerStatuses": statuses,
        "conditions": [_condition(name, True, now) for name in names],
    }


def _addresses(context: Context, pod: Object) -> dict[str, Any]:
    if pod["status"].get("podIP"):
        return {}
    address = context.next_pod_address()
    node = context.store.get(NODES, "", pod["spec"]["nodeName"])
    listed = node["status"].get("addresses", []) if node else []
    host = listed[0]["address"] if listed else ""
    return {
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": host,
        "hostIPs": [{"ip": host}] if host else [],
    }


def _runs_once(pod: Object) -> bool:
    owner = controller_of(pod)
    return owner is not None and owner["kind"] == "Job"


def _finish(context: Context, pod: Object) -> None:
    left = _RUN_SECONDS_OF_JOBS - _age(context, pod["status"]["startTime"])
    if left > 0:
        _later(context, pod, left)
        return
    now = context.now()
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": now}}
    statuses = [_container_status(c, ended, False) for c in pod["spec"]["containers"]]
    conditions = [
        c | {"status": "False", "reason": "PodCompleted"}
        if c["type"] in ("Ready", "ContainersReady")
        else c
        for c in pod["status"]["conditions"]
    ]
    status = {**pod["status"], "phase": "Succeeded", "containerStatuses": statuses}
    _write(context, pod, {**status, "conditions": conditions})
