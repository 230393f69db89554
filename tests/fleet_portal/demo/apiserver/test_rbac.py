import pytest

from fleet_portal.demo.apiserver.authn import MASTERS, User
from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.rbac import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    GROUP,
    ROLE_BINDINGS,
    ROLES,
    Ask,
    Authorizer,
    bootstrap_objects,
)

ANN = User("ann", ("team",))
RULE = {"apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"],
        "verbs": ["get", "list"]}  # fmt: skip


def add(objects: Objects, resource, name: str, namespace: str = "", **content) -> None:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    obj = {"apiVersion": f"{GROUP}/v1", "kind": resource.kind, "metadata": metadata, **content}
    objects.create(resource, obj, "test")


def bind(objects: Objects, rules, namespace: str = "", subject=None) -> Authorizer:
    role = ROLES if namespace else CLUSTER_ROLES
    binding = ROLE_BINDINGS if namespace else CLUSTER_ROLE_BINDINGS
    add(objects, role, "r", namespace, rules=rules)
    reference = {"apiGroup": GROUP, "kind": role.kind, "name": "r"}
    subjects = [subject or {"kind": "User", "name": "ann"}]
    add(objects, binding, "b", namespace, roleRef=reference, subjects=subjects)
    return Authorizer(objects.store)


def get(resource: str = "deployments", namespace: str = "shop", name: str = "") -> Ask:
    return Ask("get", "apps", resource, namespace, name)


def test_a_cluster_wide_rule_holds_everywhere(objects: Objects) -> None:
    authorizer = bind(objects, [RULE])
    assert authorizer.allows(ANN, get())
    assert not authorizer.allows(ANN, Ask("delete", "apps", "deployments", "shop"))


def test_a_role_holds_in_its_namespace(objects: Objects) -> None:
    authorizer = bind(objects, [RULE], "shop")
    assert authorizer.allows(ANN, get())
    assert not authorizer.allows(ANN, get(namespace="other"))
    assert not authorizer.allows(ANN, get(namespace=""))


def test_a_subresource_needs_a_rule_of_its_own(objects: Objects) -> None:
    authorizer = bind(objects, [RULE])
    assert authorizer.allows(ANN, get("deployments/scale"))
    assert not authorizer.allows(ANN, get("deployments/status"))


def test_names_narrow_a_rule(objects: Objects) -> None:
    authorizer = bind(objects, [{**RULE, "resourceNames": ["web"]}])
    assert authorizer.allows(ANN, get(name="web"))
    assert not authorizer.allows(ANN, get(name="other"))
    assert not authorizer.allows(ANN, get())


@pytest.mark.parametrize(
    "subject",
    [
        {"kind": "Group", "name": "team"},
        {"kind": "User", "name": "ann"},
    ],
)
def test_subjects(objects: Objects, subject) -> None:
    assert bind(objects, [RULE], subject=subject).allows(ANN, get())


def test_an_account_is_bound_by_its_namespace(objects: Objects) -> None:
    account = {"kind": "ServiceAccount", "name": "agent", "namespace": "shop"}
    authorizer = bind(objects, [RULE], subject=account)
    assert authorizer.allows(User("system:serviceaccount:shop:agent"), get())


def test_a_new_binding_holds_at_once(objects: Objects) -> None:
    authorizer = Authorizer(objects.store)
    assert not authorizer.allows(ANN, get())
    bind(objects, [RULE])
    assert authorizer.allows(ANN, get())


def test_paths_have_rules_of_their_own(objects: Objects) -> None:
    authorizer = bind(objects, [{"nonResourceURLs": ["/healthz", "/api/*"], "verbs": ["get"]}])
    assert authorizer.allows(ANN, Ask("get", path="/api/v1"))
    assert not authorizer.allows(ANN, Ask("get", path="/metrics"))


def test_masters_may_everything(objects: Objects) -> None:
    assert Authorizer(objects.store).allows(User("x", (MASTERS,)), get())


def test_a_refusal_names_who_what_and_where(objects: Objects) -> None:
    with pytest.raises(ApiError) as refusal:
        Authorizer(objects.store).check(ANN, get(name="web"))
    assert str(refusal.value) == (
        'deployments.apps "web" is forbidden: User "ann" cannot get resource "deployments" in API '
        'group "apps" in the namespace "shop"'
    )


def test_everybody_may_ask_what_there_is() -> None:
    bound = {name: subjects for name, _, subjects in bootstrap_objects()}
    assert ("Group", "system:authenticated") in bound["system:discovery"]
    assert bound["view"] == []
