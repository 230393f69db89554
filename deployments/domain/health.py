"""Whether an object does what it is there for, from its own status. Pure.

Follows kstatus (sigs.k8s.io/cli-utils) with these differences: a Deployment that quota keeps from
growing fails after 30 s; a claim that waits for its first consumer and an Ingress without an
address are fine; a custom object without conditions is healthy after 10 s, not at once; suspended
is a word of its own; a workload whose Pods cannot start is degraded before its deadline.
A verdict that time alone will change says when, in `settles_at`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.domain.objects import epoch_of
from deployments.domain.pod_trouble import PodTrouble, pod_trouble
from deployments.domain.words import Health, Reason

QUOTA_GRACE_SECONDS = 30.0
POD_GRACE_SECONDS = 30.0
SILENT_KIND_SECONDS = 10.0
DEFAULT_REPLICAS = 1


@dataclass(frozen=True)
class Verdict:
    """What is known about one object. `ready` of `desired` count Pods, where it has any."""

    health: Health
    reason: Reason = Reason.NONE
    message: str = ""
    ready: int = 0
    desired: int = 0
    settles_at: float | None = None


Judge = Callable[[Mapping[str, Any], float, "PodTrouble | None"], Verdict]

_HEALTHY = Verdict(Health.HEALTHY)


def judge(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None = None) -> Verdict:
    """Return the verdict on a live object; `trouble` is the worst of its Pods."""
    metadata = obj.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        return Verdict(Health.PROGRESSING, message="is being deleted")
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    known = _JUDGES.get((group, str(obj.get("kind"))))
    if known is None and group in _SILENT_GROUPS:
        known = _without_status
    observed = _status(obj).get("observedGeneration")
    if isinstance(observed, int) and observed < int(metadata.get("generation") or 0):
        ready, desired = _counts(obj) if known in _COUNTED else (0, 0)
        return Verdict(
            Health.PROGRESSING,
            message="not seen by its controller yet",
            ready=ready,
            desired=desired,
        )
    return (known or _by_conditions)(obj, now, trouble)


# Workloads


def _deployment(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    spec, status = obj.get("spec") or {}, _status(obj)
    ready, desired = _counts(obj)
    progress = _condition(obj, "Progressing")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return _overdue(trouble, str(progress.get("message", "")), ready, desired)
    failure = _condition(obj, "ReplicaFailure")
    if failure.get("status") == "True":
        return _cannot_create(failure, now, ready, desired)
    if spec.get("paused"):
        return Verdict(Health.SUSPENDED, message="paused", ready=ready, desired=desired)
    updated, total = _number(status, "updatedReplicas"), _number(status, "replicas")
    available = _number(status, "availableReplicas")
    waits = ""
    if updated < desired:
        waits = f"{updated} of {desired} updated"
    elif total > updated:
        waits = f"{total - updated} of the old ones still there"
    elif available < desired:
        waits = f"{available} of {desired} available"
    return _settled(waits, now, trouble, ready, desired)


def _stateful_set(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    spec, status = obj.get("spec") or {}, _status(obj)
    ready, desired = _counts(obj)
    strategy = spec.get("updateStrategy") or {}
    if "observedGeneration" not in status:
        return _settled("not seen by its controller yet", now, trouble, ready, desired)
    waits = f"{ready} of {desired} ready" if ready < desired else ""
    if strategy.get("type") != "OnDelete":
        kept_back = _number(strategy.get("rollingUpdate") or {}, "partition")
        to_update = max(0, desired - kept_back)
        updated = _number(status, "updatedReplicas")
        if updated < to_update and status.get("currentRevision") != status.get("updateRevision"):
            waits = f"{updated} of {to_update} updated"
    return _settled(waits, now, trouble, ready, desired)


def _daemon_set(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    spec, status = obj.get("spec") or {}, _status(obj)
    ready, desired = _number(status, "numberReady"), _number(status, "desiredNumberScheduled")
    if "observedGeneration" not in status:
        return _settled("not seen by its controller yet", now, trouble, ready, desired)
    waits = ""
    if _number(status, "numberAvailable") < desired or ready < desired:
        waits = f"{ready} of {desired} ready"
    if (spec.get("updateStrategy") or {}).get("type") != "OnDelete":
        updated = _number(status, "updatedNumberScheduled")
        if updated < desired:
            waits = f"{updated} of {desired} updated"
    return _settled(waits, now, trouble, ready, desired)


def _replica_set(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    ready, desired = _counts(obj)
    failure = _condition(obj, "ReplicaFailure")
    if failure.get("status") == "True":
        return _cannot_create(failure, now, ready, desired)
    available = _number(_status(obj), "availableReplicas")
    waits = f"{available} of {desired} available" if available < desired else ""
    return _settled(waits, now, trouble, ready, desired)


def _job(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    failed = _condition(obj, "Failed")
    if failed.get("status") == "True":
        late = failed.get("reason") == "DeadlineExceeded"
        reason = Reason.DEADLINE_EXCEEDED if late else Reason.CRASH_LOOP
        return Verdict(Health.FAILED, reason, str(failed.get("message", "")))
    if _condition(obj, "Complete").get("status") == "True":
        return _HEALTHY
    if (obj.get("spec") or {}).get("suspend"):
        return Verdict(Health.SUSPENDED, message="suspended")
    return _settled("not complete yet", now, trouble, 0, 0)


def _cron_job(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    if (obj.get("spec") or {}).get("suspend"):
        return Verdict(Health.SUSPENDED, message="suspended")
    return _HEALTHY


def _pod(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    phase = _status(obj).get("phase")
    if phase == "Succeeded":
        return _HEALTHY
    if phase == "Failed":
        return Verdict(
            Health.FAILED, message=str(_status(obj).get("message") or "failed"), desired=1
        )
    ready = int(_condition(obj, "Ready").get("status") == "True")
    return _settled("" if ready else "not ready", now, trouble or pod_trouble(obj, now), ready, 1)


def _settled(
    waits: str, now: float, trouble: PodTrouble | None, ready: int, desired: int
) -> Verdict:
    """Return healthy when nothing is waited for; else what is known about the waiting."""
    if not waits:
        return Verdict(Health.HEALTHY, ready=ready, desired=desired)
    if trouble is None or trouble.reason is Reason.PROBE_FAILED:
        # A Pod that runs and is not ready is the ordinary way of starting: the deadline judges.
        return Verdict(Health.PROGRESSING, message=waits, ready=ready, desired=desired)
    message = f"{waits}; {trouble.message}"
    lasts = trouble.since + (POD_GRACE_SECONDS if trouble.reason is Reason.UNSCHEDULABLE else 0)
    if now < lasts:
        return Verdict(Health.PROGRESSING, trouble.reason, message, ready, desired, lasts)
    return Verdict(Health.DEGRADED, trouble.reason, message, ready, desired)


def _overdue(trouble: PodTrouble | None, message: str, ready: int, desired: int) -> Verdict:
    if trouble is None:
        return Verdict(Health.FAILED, Reason.DEADLINE_EXCEEDED, message, ready, desired)
    return Verdict(Health.FAILED, trouble.reason, trouble.message, ready, desired)


def _cannot_create(failure: Mapping[str, Any], now: float, ready: int, desired: int) -> Verdict:
    message = str(failure.get("message", ""))
    reason = Reason.QUOTA if "exceeded quota" in message else Reason.FORBIDDEN
    since = _since(failure.get("lastTransitionTime"), now)
    if now < since + QUOTA_GRACE_SECONDS:
        settles_at = since + QUOTA_GRACE_SECONDS
        return Verdict(Health.PROGRESSING, reason, message, ready, desired, settles_at)
    return Verdict(Health.FAILED, reason, message, ready, desired)


# The rest


def _claim(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    if _status(obj).get("phase") == "Lost":
        return Verdict(Health.FAILED, message="its volume is lost")
    # Pending is right for WaitForFirstConsumer; else the Pod that needs it is Unschedulable.
    return _HEALTHY


def _namespace(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    if _status(obj).get("phase") == "Terminating":
        return Verdict(Health.PROGRESSING, message="is being deleted")
    return _HEALTHY


def _definition(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    names = _condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        return Verdict(Health.FAILED, Reason.CONFLICT, str(names.get("message", "")))
    if _condition(obj, "Established").get("status") == "True":
        return _HEALTHY
    return Verdict(Health.PROGRESSING, message="not established yet")


def _api_service(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    found = _condition(obj, "Available")
    if found.get("status") == "True":
        return _HEALTHY
    return Verdict(Health.PROGRESSING, message=str(found.get("message") or "not available yet"))


def _without_status(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    return _HEALTHY


def _by_conditions(obj: Mapping[str, Any], now: float, trouble: PodTrouble | None) -> Verdict:
    """Judge a kind that nobody told about: kstatus's conditions, else Ready or Available."""
    stalled = _condition(obj, "Stalled")
    if stalled.get("status") == "True":
        return Verdict(Health.FAILED, message=str(stalled.get("message") or "stalled"))
    going_on = _condition(obj, "Reconciling")
    if going_on.get("status") == "True":
        return Verdict(Health.PROGRESSING, message=str(going_on.get("message") or "reconciling"))
    for name in ("Ready", "Available"):
        found = _condition(obj, name)
        if found.get("status") == "True":
            return _HEALTHY
        if found:
            message = str(found.get("message") or f"not {name.lower()} yet")
            return Verdict(Health.PROGRESSING, message=message)
    created = _since((obj.get("metadata") or {}).get("creationTimestamp"), now)
    if now < created + SILENT_KIND_SECONDS:
        settles_at = created + SILENT_KIND_SECONDS
        return Verdict(Health.PROGRESSING, message="says nothing yet", settles_at=settles_at)
    return _HEALTHY


def _status(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    found = obj.get("status")
    return found if isinstance(found, Mapping) else {}


def _condition(obj: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    conditions = _status(obj).get("conditions")
    if isinstance(conditions, list):
        for condition in conditions:
            if isinstance(condition, Mapping) and condition.get("type") == name:
                return condition
    return {}


def _since(timestamp: object, now: float) -> float:
    found = epoch_of(timestamp)
    return now if found is None else found


def _number(values: Mapping[str, Any], name: str) -> int:
    found = values.get(name)
    return found if isinstance(found, int) else 0


def _counts(obj: Mapping[str, Any]) -> tuple[int, int]:
    desired = (obj.get("spec") or {}).get("replicas")
    ready = _number(_status(obj), "readyReplicas")
    return ready, desired if isinstance(desired, int) else DEFAULT_REPLICAS


_RBAC = "rbac.authorization.k8s.io"
_JUDGES: dict[tuple[str, str], Judge] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Namespace"): _namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
}
_COUNTED = (_deployment, _stateful_set, _replica_set)
# Groups whose objects are settings: being there is all they do.
_SILENT_GROUPS = frozenset({
    "", _RBAC, "policy", "autoscaling", "networking.k8s.io", "discovery.k8s.io", "node.k8s.io",
    "storage.k8s.io", "scheduling.k8s.io", "admissionregistration.k8s.io", "coordination.k8s.io",
    "networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io",
})  # fmt: skip
