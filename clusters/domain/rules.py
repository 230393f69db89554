"""The RBAC rules a cluster is asked to grant, by access mode and way of impersonation. Pure.

Facts behind each choice, tried on a real API server, are in ARCHITECTURE.md, "Impersonation":
names are listed one by one, since `users` without resourceNames is cluster-admin; verbs and
resources are written out, since a `*` in constrained impersonation means more than it says;
the two ways are never mixed on one ServiceAccount, since rights add up and the wider one wins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from clusters.domain.names import EXTRA_LOGIN, EXTRA_PARENT, EXTRA_SESSION, ListedNames

SYSTEM = "fleet-system"
AGENT = "fleet-agent"
IMPERSONATOR = "fleet-impersonator"
IMPERSONATE_ROLE = "fleet-impersonate"
OBSERVER_ROLE = "fleet-observer"
PROBE_ROLE = "fleet-agent-probe"
PROMETHEUS_ROLE = "fleet-prometheus"
PROJECT_ROLE = "fleet-project"
CLUSTER_ROLES = (IMPERSONATE_ROLE, OBSERVER_ROLE, PROBE_ROLE)

READ = ("get", "list", "watch")
WRITE = (*READ, "create", "update", "patch", "delete", "deletecollection")

Rule = dict[str, Any]


@dataclass(frozen=True)
class Grant:
    """Verbs on resources of one API group. `names`: the resourceNames, empty for all."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def rule(self) -> Rule:
        rule: Rule = {"apiGroups": [self.group], "resources": list(self.resources)}
        if self.names:
            rule["resourceNames"] = list(self.names)
        return {**rule, "verbs": list(self.verbs)}


# What the portal's observer reads: nodes, Pods, workloads, events. No Secrets, no ConfigMaps.
OBSERVED = (
    Grant("", ("nodes", "namespaces", "pods", "services", "events"), READ),
    Grant("apps", ("deployments", "statefulsets", "daemonsets", "replicasets"), READ),
    Grant("batch", ("jobs", "cronjobs"), READ),
    Grant("autoscaling", ("horizontalpodautoscalers",), READ),
    Grant("discovery.k8s.io", ("endpointslices",), READ),
    Grant("events.k8s.io", ("events",), READ),
)

# What a project may do in its own namespaces: workloads, configuration, Istio's traffic kinds.
PROJECT = (
    Grant(
        "",
        ("configmaps", "secrets", "services", "serviceaccounts", "persistentvolumeclaims"),
        WRITE,
    ),
    Grant("", ("pods", "pods/log", "events", "endpoints", "namespaces"), READ),
    Grant("apps", ("deployments", "statefulsets", "daemonsets"), WRITE),
    Grant("apps", ("deployments/scale", "statefulsets/scale"), ("get", "update", "patch")),
    Grant("apps", ("replicasets", "controllerrevisions"), READ),
    Grant("batch", ("jobs", "cronjobs"), WRITE),
    Grant("autoscaling", ("horizontalpodautoscalers",), WRITE),
    Grant("policy", ("poddisruptionbudgets",), WRITE),
    Grant("networking.k8s.io", ("ingresses", "networkpolicies"), WRITE),
    Grant("discovery.k8s.io", ("endpointslices",), READ),
    Grant(
        "networking.istio.io",
        ("destinationrules", "gateways", "serviceentries", "sidecars", "virtualservices",
         "workloadentries", "workloadgroups"),
        WRITE,
    ),
)  # fmt: skip

# The most that people may do through the portal, wherever the cluster binds them; it needs a
# rule of its own only with constrained impersonation.
PEOPLE = (
    Grant("", ("nodes", "namespaces", "persistentvolumes", "resourcequotas", "limitranges"), READ),
    Grant(
        "",
        ("pods", "services", "configmaps", "events", "endpoints", "serviceaccounts",
         "persistentvolumeclaims", "replicationcontrollers"),
        WRITE,
    ),
    Grant("", ("pods/log", "pods/status"), ("get",)),
    Grant("", ("pods/exec", "pods/attach", "pods/portforward"), ("get", "create")),
    Grant("", ("pods/eviction",), ("create",)),
    Grant("apps", ("deployments", "statefulsets", "daemonsets", "replicasets"), WRITE),
    Grant("apps", ("controllerrevisions",), READ),
    Grant(
        "apps",
        ("deployments/scale", "statefulsets/scale", "replicasets/scale"),
        ("get", "update", "patch"),
    ),
    Grant("batch", ("jobs", "cronjobs"), WRITE),
    Grant("autoscaling", ("horizontalpodautoscalers",), WRITE),
    Grant("policy", ("poddisruptionbudgets",), WRITE),
    Grant("networking.k8s.io", ("ingresses", "networkpolicies"), WRITE),
    Grant("discovery.k8s.io", ("endpointslices",), READ),
    Grant("events.k8s.io", ("events",), READ),
    Grant("storage.k8s.io", ("storageclasses",), READ),
    Grant("apiextensions.k8s.io", ("customresourcedefinitions",), READ),
    Grant(
        "networking.istio.io",
        ("destinationrules", "gateways", "serviceentries", "sidecars", "virtualservices",
         "workloadentries", "workloadgroups"),
        WRITE,
    ),
    Grant(
        "authorization.k8s.io",
        ("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
        ("create",),
    ),
    Grant("authentication.k8s.io", ("selfsubjectreviews",), ("create",)),
)  # fmt: skip

# kubectl asks these before anything else.
DISCOVERY_URLS = (
    "/api", "/api/*", "/apis", "/apis/*", "/openapi/*", "/version", "/readyz", "/livez", "/healthz",
)  # fmt: skip


def prometheus_grant(service: str, port: int) -> Grant:
    """Return the right to query one Prometheus by the service proxy, which names it with port."""
    return Grant("", ("services/proxy",), ("get",), (f"{service}:{port}",))


def rules_of(grants: Iterable[Grant]) -> list[Rule]:
    return [grant.rule() for grant in grants]


def legacy_rules(names: ListedNames) -> list[Rule]:
    """Return what any Kubernetes version understands: whom the agent's data account may be."""
    rules = [Grant("", ("users",), ("impersonate",), names.users).rule()]
    if names.groups:
        rules.append(Grant("", ("groups",), ("impersonate",), names.groups).rule())
    rules.append(Grant("authentication.k8s.io", _carried(), ("impersonate",)).rule())
    return rules


def constrained_rules(names: ListedNames, ceiling: Sequence[Grant]) -> list[Rule]:
    """Return the same for Kubernetes 1.36 and later, with a ceiling on what may be done.

    A request then needs whom (`impersonate:user-info`) and what (`impersonate-on:user-info:VERB`).
    """
    who = ("impersonate:user-info",)
    group = "authentication.k8s.io"
    rules = [Grant(group, ("users",), who, names.users).rule()]
    if names.groups:
        rules.append(Grant(group, ("groups",), who, names.groups).rule())
    rules.append(Grant(group, _carried(), who).rule())
    rules += [_on(grant).rule() for grant in _merged(ceiling)]
    urls = {"nonResourceURLs": list(DISCOVERY_URLS), "verbs": ["impersonate-on:user-info:get"]}
    return [*rules, urls]


def _carried() -> tuple[str, ...]:
    keys = (EXTRA_LOGIN, EXTRA_PARENT, EXTRA_SESSION)
    return ("uids", *(f"userextras/{key}" for key in keys))


def _on(grant: Grant) -> Grant:
    verbs = tuple(f"impersonate-on:user-info:{verb}" for verb in grant.verbs)
    return Grant(grant.group, grant.resources, verbs, grant.names)


def _merged(grants: Sequence[Grant]) -> list[Grant]:
    """Return the union as few readable rules: per group, resources that share their verbs."""
    verbs_of: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for grant in grants:
        for resource in grant.resources:
            verbs_of.setdefault((grant.group, resource, grant.names), set()).update(grant.verbs)
    shared: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, names), verbs in verbs_of.items():
        ordered = tuple(verb for verb in WRITE if verb in verbs)
        shared.setdefault((group, names, ordered), []).append(resource)
    return [
        Grant(group, tuple(resources), verbs, names)
        for (group, names, verbs), resources in shared.items()
    ]
