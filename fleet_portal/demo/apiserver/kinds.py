"""The kinds a simulated cluster serves, and how their paths, verbs and names look.

One table, read by discovery, OpenAPI, request parsing and the printed columns. What an object may
hold comes from schemas.json instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)
CREATE_ONLY = ("create",)


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One resource as discovery shows it; `plural` is its place in paths."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    singular: str = field(default="")

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular_name(self) -> str:
        return self.singular or self.kind.lower()

    @property
    def qualified(self) -> str:
        """Return the name error messages use: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def is_custom(self) -> bool:
        """Return whether a real cluster has it by a CustomResourceDefinition."""
        return self.group.endswith(".istio.io")

    @property
    def root(self) -> str:
        """Return the path of its group and version, without a trailing slash."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


def _core(plural: str, kind: str, *short: str, **more: object) -> ResourceType:
    return ResourceType("", "v1", plural, kind, short_names=short, **more)  # type: ignore[arg-type]


def _named(group: str, plural: str, kind: str, *short: str, **more: object) -> ResourceType:
    more.setdefault("version", "v1")
    return ResourceType(group, plural=plural, kind=kind, short_names=short, **more)  # type: ignore[arg-type]


_ALL = ("all",)
_ISTIO = ("istio-io", "networking-istio-io")

RESOURCES: tuple[ResourceType, ...] = (
    _core("configmaps", "ConfigMap", "cm"),
    _core("endpoints", "Endpoints", "ep", singular="endpoints"),
    _core("events", "Event", "ev"),
    _core("namespaces", "Namespace", "ns", namespaced=False, subresources=("status",)),
    _core("nodes", "Node", "no", namespaced=False, subresources=("status",)),
    _core("pods", "Pod", "po", categories=_ALL, subresources=("status", "eviction")),
    _core("secrets", "Secret"),
    _core("serviceaccounts", "ServiceAccount", "sa", subresources=("token",)),
    _core("services", "Service", "svc", categories=_ALL, subresources=("status", "proxy")),
    _named("apps", "daemonsets", "DaemonSet", "ds", categories=_ALL, subresources=("status",)),
    _named(
        "apps", "deployments", "Deployment", "deploy", categories=_ALL,
        subresources=("scale", "status"),
    ),
    _named(
        "apps", "replicasets", "ReplicaSet", "rs", categories=_ALL,
        subresources=("scale", "status"),
    ),
    _named(
        "apps", "statefulsets", "StatefulSet", "sts", categories=_ALL,
        subresources=("scale", "status"),
    ),
    _named("batch", "jobs", "Job", categories=_ALL, subresources=("status",)),
    _named(
        "autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa",
        version="v2", categories=_ALL, subresources=("status",),
    ),
    _named(
        "policy", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", subresources=("status",)
    ),
    _named("coordination.k8s.io", "leases", "Lease"),
    _named("discovery.k8s.io", "endpointslices", "EndpointSlice"),
    _named("rbac.authorization.k8s.io", "roles", "Role"),
    _named("rbac.authorization.k8s.io", "rolebindings", "RoleBinding"),
    _named("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", namespaced=False),
    _named(
        "rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
    ),
    _named(
        "apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition",
        "crd", "crds", namespaced=False, categories=("api-extensions",), subresources=("status",),
    ),
    _named(
        "networking.istio.io", "destinationrules", "DestinationRule", "dr",
        categories=_ISTIO, subresources=("status",),
    ),
    _named(
        "networking.istio.io", "gateways", "Gateway", "gw",
        categories=_ISTIO, subresources=("status",),
    ),
    _named(
        "networking.istio.io", "serviceentries", "ServiceEntry", "se",
        categories=_ISTIO, subresources=("status",),
    ),
    _named(
        "networking.istio.io", "virtualservices", "VirtualService", "vs",
        categories=_ISTIO, subresources=("status",),
    ),
    _named(
        "networking.istio.io", "workloadentries", "WorkloadEntry", "we",
        categories=_ISTIO, subresources=("status",),
    ),
    _named(
        "authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview",
        namespaced=False, verbs=CREATE_ONLY,
    ),
    _named(
        "authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview",
        namespaced=False, verbs=CREATE_ONLY,
    ),
    _named(
        "authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview",
        namespaced=False, verbs=CREATE_ONLY,
    ),
    _named(
        "authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview",
        namespaced=False, verbs=CREATE_ONLY,
    ),
)  # fmt: skip

# Kinds that only appear as the body or the answer of a subresource.
SUBRESOURCE_KINDS: dict[str, tuple[str, str, str]] = {
    "scale": ("autoscaling", "v1", "Scale"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "eviction": ("policy", "v1", "Eviction"),
}
SUBRESOURCE_VERBS: dict[str, tuple[str, ...]] = {
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
    "token": ("create",),
    "eviction": ("create",),
    "proxy": ("create", "delete", "get", "patch", "update"),
}

# In the order discovery lists them: the priorities kubectl resolves short names by.
GROUP_ORDER: tuple[str, ...] = (
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "policy",
    "rbac.authorization.k8s.io",
    "apiextensions.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "networking.istio.io",
)

BY_PATH: dict[tuple[str, str, str], ResourceType] = {
    (r.group, r.version, r.plural): r for r in RESOURCES
}
BY_KIND: dict[tuple[str, str], ResourceType] = {(r.group, r.kind): r for r in RESOURCES}


def group_versions() -> list[tuple[str, str]]:
    """Return every (group, version) served, core first."""
    versions = {r.group: r.version for r in RESOURCES}
    return [("", "v1"), *((group, versions[group]) for group in GROUP_ORDER)]


def resources_of(group: str, version: str) -> list[ResourceType]:
    return [r for r in RESOURCES if (r.group, r.version) == (group, version)]
