"""In which order a cluster gets an application's objects. Pure.

By group and kind, never by kind alone: a `Service` of serving.knative.dev is no Service of the
core group (fluxcd/pkg#689). A phase does not wait for the one before to be healthy, with one
exception: objects of a kind that the same set defines wait for its definition to be established.
Removal goes in reverse.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from clusters.domain.objects import ObjectId

FOUNDATIONS, CLASSES, CONFIG, SERVICES, WORKLOADS, ENTRANCES, CUSTOM, INTERCEPTORS = range(8)

_RBAC = "rbac.authorization.k8s.io"
_PHASES: dict[tuple[str, str], int] = {
    ("", "Namespace"): FOUNDATIONS,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): FOUNDATIONS,
    ("scheduling.k8s.io", "PriorityClass"): FOUNDATIONS,
    ("storage.k8s.io", "StorageClass"): CLASSES,
    ("storage.k8s.io", "VolumeAttributesClass"): CLASSES,
    ("networking.k8s.io", "IngressClass"): CLASSES,
    ("node.k8s.io", "RuntimeClass"): CLASSES,
    ("", "ResourceQuota"): CLASSES,
    ("", "LimitRange"): CLASSES,
    ("", "ServiceAccount"): CLASSES,
    (_RBAC, "ClusterRole"): CLASSES,
    (_RBAC, "ClusterRoleBinding"): CLASSES,
    (_RBAC, "Role"): CLASSES,
    (_RBAC, "RoleBinding"): CLASSES,
    ("networking.k8s.io", "NetworkPolicy"): CLASSES,
    ("", "ConfigMap"): CONFIG,
    ("", "Secret"): CONFIG,
    ("", "PersistentVolume"): CONFIG,
    ("", "PersistentVolumeClaim"): CONFIG,
    ("", "Service"): SERVICES,
    ("", "Endpoints"): SERVICES,
    ("discovery.k8s.io", "EndpointSlice"): SERVICES,
    ("", "Pod"): WORKLOADS,
    ("", "ReplicationController"): WORKLOADS,
    ("apps", "ControllerRevision"): WORKLOADS,
    ("apps", "DaemonSet"): WORKLOADS,
    ("apps", "Deployment"): WORKLOADS,
    ("apps", "ReplicaSet"): WORKLOADS,
    ("apps", "StatefulSet"): WORKLOADS,
    ("batch", "CronJob"): WORKLOADS,
    ("batch", "Job"): WORKLOADS,
    ("autoscaling", "HorizontalPodAutoscaler"): WORKLOADS,
    ("policy", "PodDisruptionBudget"): WORKLOADS,
    ("networking.k8s.io", "Ingress"): ENTRANCES,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): INTERCEPTORS,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): INTERCEPTORS,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): INTERCEPTORS,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): INTERCEPTORS,
    ("apiregistration.k8s.io", "APIService"): INTERCEPTORS,
}
_GROUP_PHASES = {"gateway.networking.k8s.io": ENTRANCES}

Item = TypeVar("Item")


def phase_of(group: str, kind: str) -> int:
    """Return the phase of a kind; one that Kubernetes does not define is custom."""
    return _PHASES.get((group, kind), _GROUP_PHASES.get(group, CUSTOM))


def in_phases(items: Iterable[tuple[ObjectId, Item]]) -> list[list[tuple[ObjectId, Item]]]:
    """Return the items phase by phase, each phase by identity; empty phases are left out."""
    phases: dict[int, list[tuple[ObjectId, Item]]] = {}
    for identity, item in items:
        phases.setdefault(phase_of(identity.group, identity.kind), []).append((identity, item))
    return [sorted(phases[phase], key=lambda pair: pair[0]) for phase in sorted(phases)]


def defines_kinds(identity: ObjectId) -> bool:
    """Say whether an object brings new kinds, so that others must wait for it."""
    return (identity.group, identity.kind) == ("apiextensions.k8s.io", "CustomResourceDefinition")
