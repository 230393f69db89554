"""Who may do what: RBAC over the Role and Binding objects of one simulated cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleet_portal.demo.apiserver.authn import MASTERS, User
from fleet_portal.demo.apiserver.errors import ApiError, forbidden
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.store import Change, Object, Store

GROUP = "rbac.authorization.k8s.io"
ROLES = BY_KIND[GROUP, "Role"]
CLUSTER_ROLES = BY_KIND[GROUP, "ClusterRole"]
ROLE_BINDINGS = BY_KIND[GROUP, "RoleBinding"]
CLUSTER_ROLE_BINDINGS = BY_KIND[GROUP, "ClusterRoleBinding"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the authorizer; `path` is set for what is not a resource."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    def refused(self, user: User) -> ApiError:
        """Return the 403 a real API server gives for this question."""
        if self.path:
            why = f'User "{user.name}" cannot {self.verb} path "{self.path}"'
            return ApiError(403, "Forbidden", f"forbidden: {why}", {})
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        why = (
            f'User "{user.name}" cannot {self.verb} resource "{self.resource}" '
            f'in API group "{self.group}" {where}'
        )
        return forbidden(self.group, self.resource.partition("/")[0], self.name, why)


class Authorizer:
    """Answers from the bindings as they stand; rules are looked up again after each change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bindings: dict[tuple[str, str], list[tuple[str, Object]]] | None = None
        store.observe(self._forget)

    def _forget(self, change: Change) -> None:
        if change.resource.group == GROUP:
            self._bindings = None

    def allows(self, user: User, ask: Ask) -> bool:
        if MASTERS in user.groups:
            return True
        return any(_rule_allows(rule, ask) for rule in self.rules_for(user, ask.namespace))

    def check(self, user: User, ask: Ask) -> None:
        """Raise ApiError 403 where the user may not."""
        if not self.allows(user, ask):
            raise ask.refused(user)

    def rules_for(self, user: User, namespace: str) -> Iterator[Object]:
        """Yield the rules that bind a user in a namespace, cluster-wide ones included."""
        if self._bindings is None:
            self._bindings = self._index()
        subjects = [("User", user.name), *(("Group", group) for group in user.groups)]
        for subject in subjects:
            for where, role in self._bindings.get(subject, ()):
                if not where or where == namespace:
                    yield from role.get("rules") or ()

    def _index(self) -> dict[tuple[str, str], list[tuple[str, Object]]]:
        index: dict[tuple[str, str], list[tuple[str, Object]]] = {}
        bindings = [
            *self._store.all(CLUSTER_ROLE_BINDINGS),
            *self._store.all(ROLE_BINDINGS),
        ]
        for binding in bindings:
            where = binding["metadata"].get("namespace", "")
            role = self._role(binding["roleRef"], where)
            if role is not None:
                for subject in binding.get("subjects") or ():
                    index.setdefault(_subject_key(subject, where), []).append((where, role))
        return index

    def _role(self, reference: Object, namespace: str) -> Object | None:
        if reference["kind"] == "ClusterRole":
            return self._store.get(CLUSTER_ROLES, "", reference["name"])
        return self._store.get(ROLES, namespace, reference["name"])


def _subject_key(subject: Object, namespace: str) -> tuple[str, str]:
    if subject["kind"] != "ServiceAccount":
        return subject["kind"], subject["name"]
    where = subject.get("namespace") or namespace
    return "User", f"system:serviceaccount:{where}:{subject['name']}"


def _rule_allows(rule: Object, ask: Ask) -> bool:
    if not _among(rule.get("verbs"), ask.verb):
        return False
    if ask.path:
        return any(_path_matches(p, ask.path) for p in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _among(rule.get("apiGroups"), ask.group)
        and _resource_among(rule.get("resources") or (), ask.resource)
        and (not names or ask.name in names)
    )


def _among(allowed: Any, value: str) -> bool:
    return bool(allowed) and (value in allowed or "*" in allowed)


def _resource_among(allowed: Any, resource: str) -> bool:
    if resource in allowed or "*" in allowed:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in allowed


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))


_READ_PATHS = [
    "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*",
    "/readyz", "/version", "/version/",
]  # fmt: skip
_WRITE = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_APP_GROUPS = ["apps", "batch", "autoscaling", "policy", "discovery.k8s.io", "networking.istio.io"]
_CORE_READABLE = [
    "configmaps", "endpoints", "events", "namespaces", "pods", "serviceaccounts", "services",
]  # fmt: skip


def _rule(verbs: list[str], groups: list[str], resources: list[str]) -> Object:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def bootstrap_objects() -> list[tuple[str, list[Object], list[tuple[str, str]]]]:
    """Return the built-in ClusterRoles: (name, rules, subjects bound to it as (kind, name))."""
    read = ["get", "list", "watch"]
    reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    basic = [
        _rule(["create"], ["authorization.k8s.io"], reviews),
        _rule(["create"], ["authentication.k8s.io"], ["selfsubjectreviews"]),
    ]
    view = [_rule(read, [""], _CORE_READABLE), _rule(read, _APP_GROUPS, ["*"])]
    edit = [
        _rule(_WRITE, [""], [*_CORE_READABLE, "secrets", "services/proxy"]),
        _rule(_WRITE, _APP_GROUPS, ["*"]),
    ]
    admin = [*edit, _rule(_WRITE, [GROUP], ["roles", "rolebindings"])]
    everything = [
        _rule(["*"], ["*"], ["*"]),
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
    discovery = [{"nonResourceURLs": _READ_PATHS, "verbs": ["get"]}]
    public = [
        {"nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"],
         "verbs": ["get"]}
    ]  # fmt: skip
    authenticated = ("Group", "system:authenticated")
    return [
        ("cluster-admin", everything, [("Group", MASTERS)]),
        ("admin", admin, []),
        ("edit", edit, []),
        ("view", view, []),
        ("system:basic-user", basic, [authenticated]),
        ("system:discovery", discovery, [authenticated]),
        (
            "system:public-info-viewer",
            public,
            [authenticated, ("Group", "system:unauthenticated")],
        ),
    ]
