"""Health per kind: kstatus, and where we differ."""

from typing import Any

import pytest

from deployments.domain.health import (
    POD_GRACE_SECONDS,
    QUOTA_GRACE_SECONDS,
    SILENT_KIND_SECONDS,
    judge,
)
from deployments.domain.pod_trouble import PodTrouble
from deployments.domain.words import Health, Reason

NOW = 1_000_000.0
RECENT = "1970-01-12T13:46:35Z"  # five seconds before NOW
LONG_AGO = "1970-01-01T00:00:00Z"

H, P, D, F, S, U = (
    Health.HEALTHY, Health.PROGRESSING, Health.DEGRADED, Health.FAILED, Health.SUSPENDED,
    Health.UNKNOWN,
)  # fmt: skip


def obj(api_version: str, kind: str, spec: Any = None, status: Any = None, **meta: Any) -> Any:
    made: dict[str, Any] = {"apiVersion": api_version, "kind": kind}
    made["metadata"] = {"name": "x", "creationTimestamp": LONG_AGO, **meta}
    if spec is not None:
        made["spec"] = spec
    if status is not None:
        made["status"] = status
    return made


def condition(kind: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": kind, "status": status, **more}


def counts(replicas: int, updated: int, ready: int, available: int, **more: Any) -> dict[str, Any]:
    return {
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        **more,
    }


def deployment(status: Any, replicas: int | None = 3, **spec: Any) -> Any:
    spec = spec if replicas is None else {"replicas": replicas, **spec}
    return obj("apps/v1", "Deployment", spec, status)


def deployment_with(*conditions: dict[str, str], ready: int = 0) -> Any:
    return deployment(counts(3, 3, ready, ready, conditions=list(conditions)))


OVERDUE = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="late")
QUOTA = condition("ReplicaFailure", message="exceeded quota: q", lastTransitionTime=LONG_AGO)
FRESH_QUOTA = {**QUOTA, "lastTransitionTime": RECENT}


@pytest.mark.parametrize(
    ("made", "health"),
    [
        (deployment(counts(3, 3, 3, 3)), H),
        (deployment(counts(1, 1, 1, 1), None), H),
        (deployment({}, 0), H),
        (deployment({}), P),
        (deployment(None), P),
        (deployment(counts(3, 1, 3, 3)), P),
        (deployment(counts(4, 3, 4, 4)), P),
        (deployment(counts(3, 3, 2, 2)), P),
        (deployment(counts(3, 3, 3, 3), paused=True), S),
        (deployment_with(OVERDUE), F),
        (deployment_with(QUOTA), F),
        (deployment_with(FRESH_QUOTA), P),
    ],
    ids=[
        "all there", "one by default", "none wanted", "nothing yet", "no status", "updating",
        "old ones left", "not available", "paused", "overdue", "quota", "quota a moment ago",
    ],
)  # fmt: skip
def test_deployments(made: Any, health: Health) -> None:
    assert judge(made, NOW).health is health


def stateful_set(strategy: Any = None, **status: Any) -> Any:
    return obj("apps/v1", "StatefulSet", {"replicas": 3, "updateStrategy": strategy or {}}, status)


def ready_set(**more: Any) -> dict[str, Any]:
    return {"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 3, **more}


@pytest.mark.parametrize(
    ("made", "health"),
    [
        (stateful_set(**ready_set(currentRevision="a", updateRevision="a")), H),
        (stateful_set(), P),
        (stateful_set(**ready_set(readyReplicas=2)), P),
        (
            stateful_set(**ready_set(updatedReplicas=1, currentRevision="a", updateRevision="b")),
            P,
        ),
        (
            stateful_set(
                {"rollingUpdate": {"partition": 2}},
                **ready_set(updatedReplicas=1, currentRevision="a", updateRevision="b"),
            ),
            H,
        ),
        (
            stateful_set(
                {"type": "OnDelete"},
                **ready_set(updatedReplicas=0, currentRevision="a", updateRevision="b"),
            ),
            H,
        ),
    ],
    ids=["all there", "unseen", "not ready", "updating", "partition reached", "on delete"],
)
def test_stateful_sets(made: Any, health: Health) -> None:
    assert judge(made, NOW).health is health


def daemon_set(wanted: int, updated: int, ready: int, **more: Any) -> Any:
    status = {
        "desiredNumberScheduled": wanted,
        "updatedNumberScheduled": updated,
        "numberReady": ready,
        "numberAvailable": ready,
        "observedGeneration": 1,
    }
    return obj("apps/v1", "DaemonSet", more, status)


def job(*conditions: dict[str, str], **spec: Any) -> Any:
    return obj("batch/v1", "Job", spec, {"conditions": list(conditions)})


@pytest.mark.parametrize(
    ("made", "health"),
    [
        (daemon_set(2, 2, 2), H),
        (daemon_set(0, 0, 0), H),
        (daemon_set(2, 1, 2), P),
        (daemon_set(2, 2, 1), P),
        (daemon_set(2, 0, 2, updateStrategy={"type": "OnDelete"}), H),
        (obj("apps/v1", "DaemonSet", {}, {}), P),
        (obj("apps/v1", "ReplicaSet", {"replicas": 1}, {"availableReplicas": 1}), H),
        (obj("apps/v1", "ReplicaSet", {"replicas": 1}, {"conditions": [QUOTA]}), F),
        (job(), P),
        (job(condition("Complete")), H),
        (job(condition("Failed", reason="BackoffLimitExceeded")), F),
        (job(suspend=True), S),
        (obj("batch/v1", "CronJob", {"suspend": True}), S),
        (obj("batch/v1", "CronJob", {}), H),
        (obj("v1", "Pod", {}, {"phase": "Succeeded"}), H),
        (obj("v1", "Pod", {}, {"phase": "Failed"}), F),
        (obj("v1", "Pod", {}, {"phase": "Running", "conditions": [condition("Ready")]}), H),
        (obj("v1", "Pod", {}, {"phase": "Pending"}), P),
        (obj("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"}), H),
        (obj("v1", "PersistentVolumeClaim", {}, {"phase": "Lost"}), F),
        (obj("v1", "Namespace", {}, {"phase": "Active"}), H),
        (obj("v1", "Namespace", {}, {"phase": "Terminating"}), P),
        (obj("v1", "ConfigMap"), H),
        (obj("v1", "Service", {"type": "LoadBalancer"}, {"loadBalancer": {}}), H),
        (obj("networking.k8s.io/v1", "Ingress", {}, {"loadBalancer": {}}), H),
        (obj("networking.istio.io/v1", "VirtualService", creationTimestamp=RECENT), H),
    ],
)  # fmt: skip
def test_other_kinds(made: Any, health: Health) -> None:
    assert judge(made, NOW).health is health


def definition(*conditions: dict[str, str]) -> Any:
    status = {"conditions": list(conditions)}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, status)


def api_service(*conditions: dict[str, str]) -> Any:
    status = {"conditions": list(conditions)}
    return obj("apiregistration.k8s.io/v1", "APIService", {}, status)


def custom(*conditions: dict[str, str], **status: Any) -> Any:
    return obj("example.com/v1", "Widget", {}, {"conditions": list(conditions), **status})


@pytest.mark.parametrize(
    ("made", "health"),
    [
        (definition(condition("Established")), H),
        (definition(), P),
        (definition(condition("NamesAccepted", "False")), F),
        (api_service(condition("Available")), H),
        (api_service(), P),
        (custom(condition("Ready")), H),
        (custom(condition("Ready", "False")), P),
        (custom(condition("Available")), H),
        (custom(condition("Stalled"), condition("Ready")), F),
        (custom(condition("Reconciling"), condition("Ready")), P),
        (custom(), H),
        (obj("example.com/v1", "Widget", creationTimestamp=RECENT), P),
    ],
)  # fmt: skip
def test_definitions_and_custom_kinds(made: Any, health: Health) -> None:
    assert judge(made, NOW).health is health


def test_a_custom_kind_that_says_nothing_settles_after_ten_seconds() -> None:
    verdict = judge(obj("example.com/v1", "Widget", creationTimestamp=RECENT), NOW)
    assert verdict.settles_at == NOW - 5 + SILENT_KIND_SECONDS


def test_quota_settles_after_half_a_minute() -> None:
    verdict = judge(deployment_with(FRESH_QUOTA), NOW)
    assert (verdict.reason, verdict.settles_at) == (Reason.QUOTA, NOW - 5 + QUOTA_GRACE_SECONDS)


@pytest.mark.parametrize("kind", ["Deployment", "ConfigMap"])
def test_what_is_being_deleted_progresses(kind: str) -> None:
    assert judge(obj("v1", kind, deletionTimestamp=RECENT), NOW).health is P


def test_a_status_of_an_older_generation_does_not_count() -> None:
    made = deployment(counts(3, 3, 3, 3, observedGeneration=1))
    made["metadata"]["generation"] = 2
    verdict = judge(made, NOW)
    assert (verdict.health, verdict.ready, verdict.desired) == (P, 3, 3)


def trouble(reason: Reason, seconds: float) -> PodTrouble:
    return PodTrouble(reason, "why", NOW - seconds)


@pytest.mark.parametrize(
    ("found", "health", "reason"),
    [
        (trouble(Reason.IMAGE_PULL, 1), D, Reason.IMAGE_PULL),
        (trouble(Reason.CRASH_LOOP, 1), D, Reason.CRASH_LOOP),
        (trouble(Reason.UNSCHEDULABLE, 1), P, Reason.UNSCHEDULABLE),
        (trouble(Reason.UNSCHEDULABLE, POD_GRACE_SECONDS + 1), D, Reason.UNSCHEDULABLE),
        (trouble(Reason.PROBE_FAILED, 100), P, Reason.NONE),
        (None, P, Reason.NONE),
    ],
)
def test_pods_that_cannot_start_degrade_a_workload(
    found: PodTrouble | None, health: Health, reason: Reason
) -> None:
    verdict = judge(deployment(counts(3, 3, 0, 0)), NOW, found)
    assert (verdict.health, verdict.reason) == (health, reason)


def test_a_workload_that_has_all_it_wants_has_no_trouble() -> None:
    verdict = judge(deployment(counts(3, 3, 3, 3)), NOW, trouble(Reason.CRASH_LOOP, 1))
    assert verdict.health is H


def test_an_overdue_workload_fails_with_the_reason_of_its_pods() -> None:
    verdict = judge(deployment_with(OVERDUE), NOW, trouble(Reason.IMAGE_PULL, 1))
    assert (verdict.health, verdict.reason) == (F, Reason.IMAGE_PULL)


@pytest.mark.parametrize("status", [None, [], "text", {"conditions": "x"}, {"conditions": [1]}])
def test_a_strange_status_breaks_nothing(status: Any) -> None:
    judge(obj("example.com/v1", "Widget", {}, status), NOW)
