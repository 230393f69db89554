"""What a cluster's administrator applies: readable objects, each with a comment that says why.

Pure: the same input gives the same text, so what was shown is what is applied. Two parts: the
agent with its credentials to join, and the rules, which are printed alone when they change.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from clusters.domain.names import OBSERVER, ListedNames, project_user
from clusters.domain.rules import (
    AGENT,
    IMPERSONATE_ROLE,
    IMPERSONATOR,
    OBSERVED,
    OBSERVER_ROLE,
    PEOPLE,
    PROBE_ROLE,
    PROJECT,
    PROJECT_ROLE,
    PROMETHEUS_ROLE,
    SYSTEM,
    Grant,
    Rule,
    constrained_rules,
    legacy_rules,
    prometheus_grant,
    rules_of,
)

CONFIG_MAP = "fleet-agent-config"
JOIN_SECRET = "fleet-agent-join"  # noqa: S105 - the name of an object
IDENTITY_SECRET = "fleet-agent-identity"  # noqa: S105 - the name of an object

KubeObject = dict[str, Any]


@dataclass(frozen=True)
class Prometheus:
    """Where the cluster keeps its Prometheus."""

    namespace: str
    service: str
    port: int


@dataclass(frozen=True)
class ManifestInput:
    """All that decides the text. `scopes`: (project slug, its namespaces there), sorted.

    `pins`: empty where the portal has a public certificate. `token`: empty where only the rules
    are wanted.
    """

    cluster: str
    url: str
    pins: tuple[str, ...]
    image: str
    mode: str
    impersonation: str
    names: ListedNames
    scopes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    prometheus: Prometheus | None = None
    token: str = ""


@dataclass(frozen=True)
class Commented:
    """One object, and what is written above it."""

    comment: str
    object: KubeObject


MODE_WORDS = {
    "observe": "observe: the portal reads nodes, Pods, workloads and events, and nothing else.",
    "use": "use: the portal reads; people come through it under groups that you may bind.",
    "manage": "manage: the portal reads, people come through it, and each project named below\n"
    "works in its own namespaces.",
}


def build_manifest(given: ManifestInput) -> list[Commented]:
    """Return everything to join a cluster, in the order in which it can be applied."""
    return [_namespace(), *_agent_credentials(given), *build_rules(given), _deployment(given)]


def build_rules(given: ManifestInput) -> list[Commented]:
    """Return the rules alone: whom the agent may be, and what those may do."""
    parts = [_impersonate(given), _impersonate_binding(), *_observer(given)]
    if given.mode == "manage":
        for slug, namespaces in given.scopes:
            for namespace in namespaces:
                parts += _project(slug, namespace)
    return parts


def objects_of(parts: Sequence[Commented]) -> list[KubeObject]:
    return [part.object for part in parts]


class _Readable(yaml.SafeDumper):
    """Writes lists of plain words on one line, as people write RBAC rules."""

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        plain = all(isinstance(item, str | int) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=plain or flow_style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render_yaml(parts: Sequence[Commented], heading: str = "") -> str:
    """Return the parts as one YAML text with their comments."""
    texts = [_as_comment(heading)] if heading else []
    for part in parts:
        body = yaml.dump(
            part.object, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=96
        )
        texts.append(f"---\n{_as_comment(part.comment)}{body}")
    return "".join(texts)


def heading_of(given: ManifestInput) -> str:
    """Return the words at the top of the manifest."""
    return (
        f"Joins this Kubernetes cluster to the Fleet Portal as {given.cluster}.\n"
        f"Access mode {MODE_WORDS[given.mode]}\n"
        "You may narrow every rule below, now or later; the portal says what it then lacks.\n"
        "The agent dials out; nothing has to be opened for it."
    )


def _as_comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.splitlines())


# Parts.


def _metadata(name: str, namespace: str = "", **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {**metadata, "labels": {"app.kubernetes.io/part-of": "fleet-portal", **labels}}


def _namespace() -> Commented:
    return Commented(
        "The agent's own namespace. Whoever may read its Secrets may act as the agent.",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": _metadata(SYSTEM)},
    )


def _agent_credentials(given: ManifestInput) -> list[Commented]:
    agent = {"kind": "ServiceAccount", "name": AGENT, "namespace": SYSTEM}
    return [
        Commented(
            "The agent runs as this account, which may only look after the agent itself.",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(AGENT, SYSTEM)},
        ),
        Commented(
            "For everything else the agent takes a one-hour token of this account, which may\n"
            "nothing but act under the names listed further down.",
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": _metadata(IMPERSONATOR, SYSTEM),
                "automountServiceAccountToken": False,
            },
        ),
        Commented("Where the portal is, and how to know it.", _config(given)),
        Commented(
            "Good for one enrolment; worthless afterwards.",
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": _metadata(JOIN_SECRET, SYSTEM),
                "type": "Opaque",
                "stringData": {"token": given.token},
            },
        ),
        Commented(
            "The agent makes its key in this cluster and keeps it here; it never leaves.",
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": _metadata(IDENTITY_SECRET, SYSTEM),
                "type": "Opaque",
            },
        ),
        Commented(
            "In its own namespace the agent keeps its key and what it was told to run.",
            _role(AGENT, SYSTEM, rules_of(_AGENT_GRANTS)),
        ),
        Commented("", _binding("RoleBinding", AGENT, SYSTEM, "Role", AGENT, agent)),
        Commented(
            "The agent knows the cluster by the UID of kube-system, and watches whether the API\n"
            "server answers.",
            _role(PROBE_ROLE, "", [*rules_of(_PROBE_GRANTS), _PROBE_URLS]),
        ),
        Commented(
            "", _binding("ClusterRoleBinding", PROBE_ROLE, "", "ClusterRole", PROBE_ROLE, agent)
        ),
    ]


_AGENT_GRANTS = (
    Grant("", ("secrets",), ("get", "list", "watch", "create", "update", "patch", "delete")),
    Grant("", ("configmaps",), ("get", "list", "watch")),
    Grant("", ("serviceaccounts/token",), ("create",), (IMPERSONATOR,)),
)
_PROBE_GRANTS = (Grant("", ("namespaces",), ("get",), ("kube-system",)),)
_PROBE_URLS: Rule = {"nonResourceURLs": ["/version", "/readyz"], "verbs": ["get"]}


def _config(given: ManifestInput) -> KubeObject:
    namespaces = sorted({name for _slug, names in given.scopes for name in names})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(CONFIG_MAP, SYSTEM),
        "data": {
            "url": given.url,
            "pins": ",".join(given.pins),
            "cluster": given.cluster,
            "mode": given.mode,
            "project_namespaces": ",".join(namespaces),
        },
    }


def _role(name: str, namespace: str, rules: list[Rule], **labels: str) -> KubeObject:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": _metadata(name, namespace, **labels),
        "rules": rules,
    }


def _binding(
    kind: str, name: str, namespace: str, role_kind: str, role: str, subject: dict[str, str]
) -> KubeObject:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": _metadata(name, namespace),
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": role_kind,
            "name": role,
        },
        "subjects": [subject],
    }


def _user(name: str) -> dict[str, str]:
    return {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}


def _impersonate(given: ManifestInput) -> Commented:
    if given.impersonation == "constrained":
        comment = (
            "Under which names work may arrive here, and the most that any of them may do\n"
            "(Kubernetes 1.36 and later). Each name still needs a binding of its own."
        )
        rules = constrained_rules(given.names, _ceiling(given))
    else:
        comment = (
            "Under which names work may arrive here: these and no others. Each name may do only\n"
            "what a binding of its own allows."
        )
        rules = legacy_rules(given.names)
    return Commented(comment, _role(IMPERSONATE_ROLE, "", rules))


def _ceiling(given: ManifestInput) -> list[Grant]:
    grants = list(OBSERVED)
    if given.mode in ("use", "manage"):
        grants += PEOPLE
    if given.mode == "manage" and given.scopes:
        grants += PROJECT
    if given.prometheus is not None:
        grants.append(prometheus_grant(given.prometheus.service, given.prometheus.port))
    return grants


def _impersonate_binding() -> Commented:
    account = {"kind": "ServiceAccount", "name": IMPERSONATOR, "namespace": SYSTEM}
    binding = _binding(
        "ClusterRoleBinding", IMPERSONATE_ROLE, "", "ClusterRole", IMPERSONATE_ROLE, account
    )
    return Commented("", binding)


def _observer(given: ManifestInput) -> list[Commented]:
    observer = _user(OBSERVER)
    parts = [
        Commented(
            "What the portal itself reads: nodes, Pods, workloads, events. No Secrets.",
            _role(OBSERVER_ROLE, "", rules_of(OBSERVED)),
        ),
        Commented(
            "",
            _binding(
                "ClusterRoleBinding", OBSERVER_ROLE, "", "ClusterRole", OBSERVER_ROLE, observer
            ),
        ),
    ]
    where = given.prometheus
    if where is None:
        return parts
    rules = rules_of([prometheus_grant(where.service, where.port)])
    return [
        *parts,
        Commented(
            "The portal reads traffic figures from this cluster's own Prometheus. Its namespace\n"
            "is made if it is missing, so that the two rules below have a place.",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where.namespace}},
        ),
        Commented("", _role(PROMETHEUS_ROLE, where.namespace, rules)),
        Commented(
            "",
            _binding(
                "RoleBinding", PROMETHEUS_ROLE, where.namespace, "Role", PROMETHEUS_ROLE, observer
            ),
        ),
    ]


def _project(slug: str, namespace: str) -> list[Commented]:
    role = f"{PROJECT_ROLE}-{slug}"
    label = {"fleet-portal.io/project": slug}
    return [
        Commented(
            f"The project {slug} may use the namespace {namespace}: workloads, configuration and\n"
            "Istio's traffic kinds.",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        ),
        Commented("", _role(role, namespace, rules_of(PROJECT), **label)),
        Commented(
            "",
            _binding("RoleBinding", role, namespace, "Role", role, _user(project_user(slug))),
        ),
    ]


def _restarted_by(token: str) -> dict[str, str]:
    """Return an annotation that differs for each join command.

    Applied again, it replaces the Pod, so that an agent which was refused reads what is new.
    """
    return {"fleet-portal.io/join": hashlib.sha256(token.encode()).hexdigest()[:12]}


def _deployment(given: ManifestInput) -> Commented:
    labels = {"app.kubernetes.io/name": AGENT}
    container = {
        "name": "agent",
        "image": given.image,
        "command": ["python", "-m", "fleet_portal.agent"],
        "resources": {
            "requests": {"cpu": "50m", "memory": "96Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }
    pod = {
        "serviceAccountName": AGENT,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
    }
    return Commented(
        "One Pod. It may be down at any time: what runs in the cluster keeps running.",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _metadata(AGENT, SYSTEM, **labels),
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels, "annotations": _restarted_by(given.token)},
                    "spec": pod,
                },
            },
        },
    )
