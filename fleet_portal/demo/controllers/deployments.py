"""Deployments: a ReplicaSet per template, replaced gradually, and what the status says of it."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime
from typing import Any

from fleet_portal.demo.apiserver.fieldsets import compact
from fleet_portal.demo.apiserver.store import Object
from fleet_portal.demo.controllers.base import (
    MANAGER,
    Context,
    condition,
    is_ending,
    kind,
    owned_by,
    owner_reference,
    with_condition,
)

DEPLOYMENTS = kind("apps", "Deployment")
REPLICA_SETS = kind("apps", "ReplicaSet")
HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def reconcile(context: Context, namespace: str, name: str) -> None:
    """Bring a Deployment's ReplicaSets and status one step on."""
    deployment = context.store.get(DEPLOYMENTS, namespace, name)
    if deployment is None or is_ending(deployment):
        return
    sets = owned_by(deployment, context.store.all(REPLICA_SETS, namespace))
    if not deployment["spec"].get("paused"):
        current = _current_set(context, deployment, sets)
        sets = owned_by(deployment, context.store.all(REPLICA_SETS, namespace))
        _roll(context, deployment, current, [s for s in sets if s is not current])
        _forget_old(context, deployment, current, sets)
    _write_status(context, namespace, name)


def _template_hash(template: Object) -> str:
    return hashlib.sha256(compact(template).encode()).hexdigest()[:10]


def _revision(obj: Object) -> int:
    return int(obj["metadata"].get("annotations", {}).get(REVISION, 0))


def _current_set(context: Context, deployment: Object, sets: list[Object]) -> Object:
    """Return the ReplicaSet of the present template, made where it is missing."""
    digest = _template_hash(deployment["spec"]["template"])
    latest = max((_revision(s) for s in sets), default=0)
    found = next((s for s in sets if s["metadata"]["labels"][HASH_LABEL] == digest), None)
    if found is None:
        found = context.objects.create(
            REPLICA_SETS, _new_set(deployment, digest, latest + 1), MANAGER
        )
    elif _revision(found) < latest:
        metadata = found["metadata"]
        notes = {**metadata.get("annotations", {}), REVISION: str(latest + 1)}
        raised = {**found, "metadata": {**metadata, "annotations": notes}}
        found = context.objects.update(REPLICA_SETS, raised, MANAGER)
    _note_revision(context, deployment, _revision(found))
    return found


def _note_revision(context: Context, deployment: Object, revision: int) -> None:
    metadata = deployment["metadata"]
    notes = {**metadata.get("annotations", {}), REVISION: str(revision)}
    if notes != metadata.get("annotations"):
        changed = {**deployment, "metadata": {**metadata, "annotations": notes}}
        context.objects.update(DEPLOYMENTS, changed, MANAGER)


def _new_set(deployment: Object, digest: str, revision: int) -> Object:
    metadata, spec = deployment["metadata"], deployment["spec"]
    template = {**spec["template"]}
    labels = {**template.get("metadata", {}).get("labels", {}), HASH_LABEL: digest}
    template["metadata"] = {**template.get("metadata", {}), "labels": labels}
    matches = {**spec["selector"].get("matchLabels", {}), HASH_LABEL: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": {**spec["selector"], "matchLabels": matches},
            "template": template,
        },
    }


def share_of(value: Any, total: int, *, round_up: bool) -> int:
    """Return a count that is given as a number or as per cent of a total."""
    if isinstance(value, int):
        return value
    part = int(str(value).rstrip("%")) * total / 100
    return math.ceil(part) if round_up else math.floor(part)


def _roll(context: Context, deployment: Object, current: Object, others: list[Object]) -> None:
    spec = deployment["spec"]
    wanted = spec["replicas"]
    old = sum(s["spec"]["replicas"] for s in others)
    if spec["strategy"]["type"] == "Recreate":
        _scale_down(context, others, old)
        if not any(s.get("status", {}).get("replicas") for s in others):
            _scale(context, current, wanted)
        return
    rolling = spec["strategy"]["rollingUpdate"]
    surge = share_of(rolling["maxSurge"], wanted, round_up=True)
    missing = share_of(rolling["maxUnavailable"], wanted, round_up=False)
    if not surge and not missing:
        missing = 1
    now = current["spec"]["replicas"]
    grown = min(wanted, max(now, wanted + surge - old)) if old else wanted
    _scale(context, current, grown)
    available = sum(map(_available, [current, *others]))
    unready_old = sum(s["spec"]["replicas"] - _available(s) for s in others)
    surplus = available - (wanted - missing)
    _scale_down(context, others, max(0, surplus) + unready_old)


def _available(replica_set: Object) -> int:
    """Return how many Pods count as available once a scale-down under way is through."""
    seen: int = replica_set.get("status", {}).get("availableReplicas", 0)
    return min(seen, int(replica_set["spec"]["replicas"]))


def _scale_down(context: Context, sets: list[Object], count: int) -> None:
    # Sets that have nothing available go first: taking from them costs no service.
    for replica_set in sorted(sets, key=lambda s: (_available(s) > 0, _revision(s))):
        held = replica_set["spec"]["replicas"]
        fewer = min(held, count)
        if fewer:
            _scale(context, replica_set, held - fewer)
            count -= fewer


def _scale(context: Context, replica_set: Object, replicas: int) -> None:
    metadata = replica_set["metadata"]
    live = context.store.get(REPLICA_SETS, metadata["namespace"], metadata["name"])
    if live is not None and live["spec"]["replicas"] != replicas:
        changed = {**live, "spec": {**live["spec"], "replicas": replicas}}
        context.objects.update(REPLICA_SETS, changed, MANAGER)


def _forget_old(context: Context, deployment: Object, current: Object, sets: list[Object]) -> None:
    name = current["metadata"]["name"]
    idle = [
        s
        for s in sets
        if s["metadata"]["name"] != name
        and not s["spec"]["replicas"]
        and not s.get("status", {}).get("replicas")
    ]
    surplus = len(idle) - deployment["spec"]["revisionHistoryLimit"]
    for old in sorted(idle, key=_revision)[: max(0, surplus)]:
        context.objects.delete(REPLICA_SETS, old["metadata"]["namespace"], old["metadata"]["name"])


def _write_status(context: Context, namespace: str, name: str) -> None:
    deployment = context.store.get(DEPLOYMENTS, namespace, name)
    if deployment is None:
        return
    sets = owned_by(deployment, context.store.all(REPLICA_SETS, namespace))
    digest = _template_hash(deployment["spec"]["template"])
    current = next((s for s in sets if s["metadata"]["labels"][HASH_LABEL] == digest), None)
    context.set_status(DEPLOYMENTS, deployment, _status(context, deployment, sets, current))


def _total(sets: list[Object], field: str) -> int:
    return sum(s.get("status", {}).get(field, 0) for s in sets)


def _status(
    context: Context, deployment: Object, sets: list[Object], current: Object | None
) -> Object:
    wanted = deployment["spec"]["replicas"]
    updated = _total([current], "replicas") if current else 0
    numbers = {
        "replicas": _total(sets, "replicas"),
        "updatedReplicas": updated,
        "readyReplicas": _total(sets, "readyReplicas"),
        "availableReplicas": _total(sets, "availableReplicas"),
    }
    numbers["unavailableReplicas"] = max(0, wanted - numbers["availableReplicas"])
    rolling = deployment["spec"]["strategy"].get("rollingUpdate", {})
    missing = share_of(rolling.get("maxUnavailable", 0), wanted, round_up=False)
    enough = numbers["availableReplicas"] >= wanted - missing
    conditions = deployment.get("status", {}).get("conditions") or []
    conditions = with_condition(
        conditions,
        "Available",
        enough,
        "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        context.now(),
    )
    done = updated == wanted == numbers["availableReplicas"] == numbers["replicas"]
    conditions = _progressing(context, deployment, current, conditions, done)
    status = {"observedGeneration": deployment["metadata"]["generation"]}
    return {**status, **{k: v for k, v in numbers.items() if v}, "conditions": conditions}


def _progressing(
    context: Context, deployment: Object, current: Object | None, old: list[Object], done: bool
) -> list[Object]:
    name = current["metadata"]["name"] if current else ""
    if done:
        says = f'ReplicaSet "{name}" has successfully progressed.'
        return with_condition(
            old, "Progressing", True, "NewReplicaSetAvailable", says, context.now()
        )
    if _is_late(context, deployment):
        says = f'ReplicaSet "{name}" has timed out progressing.'
        return with_condition(
            old, "Progressing", False, "ProgressDeadlineExceeded", says, context.now()
        )
    says = f'ReplicaSet "{name}" is progressing.'
    return with_condition(old, "Progressing", True, "ReplicaSetUpdated", says, context.now())


def _is_late(context: Context, deployment: Object) -> bool:
    """Return whether a rollout has not moved for its deadline, and look again when it might."""
    before = condition(deployment, "Progressing")
    metadata = deployment["metadata"]
    behind = deployment.get("status", {}).get("observedGeneration") != metadata["generation"]
    if before is None or behind or before["reason"] == "NewReplicaSetAvailable":
        return False
    if before["reason"] == "ProgressDeadlineExceeded":
        return True
    since = datetime.fromisoformat(before["lastUpdateTime"].replace("Z", "+00:00"))
    now = datetime.fromisoformat(context.now().replace("Z", "+00:00"))
    left = deployment["spec"]["progressDeadlineSeconds"] - (now - since).total_seconds()
    if left > 0:
        context.again(left + 1, DEPLOYMENTS, metadata["namespace"], metadata["name"])
    return bool(left <= 0)
