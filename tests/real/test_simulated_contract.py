"""One contract: a simulated API server answers what a real one answers.

The same requests, those that the agent and kubectl send, go to both. Codes, objects and
managedFields must be the same once what can't be (uids, times, revisions, addresses) is taken out.
No other promise is tested on the simulation.
"""

import asyncio
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleet_portal.demo.cluster import ClusterPlan, SimulatedCluster
from fleet_portal.demo.network import ClusterNetwork
from tests.real import build
from tests.real.api import Api, ApiError
from tests.real.fixtures import ControlPlanes
from tests.real.istio import install_crds
from tests.real.launcher import ControlPlane

pytestmark = pytest.mark.real

NS = "contract"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
CORE = f"/api/v1/namespaces/{NS}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NS}/deployments"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ISTIO = f"/apis/networking.istio.io/v1/namespaces/{NS}"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}

# Set by servers and controllers, never the same twice.
_VOLATILE = {
    "uid", "resourceVersion", "creationTimestamp", "time", "selfLink", "clusterIP", "clusterIPs",
    "deletionTimestamp", "exp", "continue", "token", "expirationTimestamp", "status",
    "managedFields", "description",
}  # fmt: skip
_OF_CONTROLLERS = "deployment.kubernetes.io/"
_WORDS = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UID"),
    (re.compile(r' in scheme "[^"]*"'), ""),
]


@dataclass(frozen=True)
class Ask:
    """One request; `token` names a token that an earlier answer gave."""

    what: str
    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    token: str = ""
    keep_token: str = ""


def deployment(**spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "resources": {"requests": {"cpu": "10m"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": labels},
        "spec": {
            "paused": True,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def job() -> dict[str, Any]:
    spec = {"containers": [{"name": "j", "image": "j:1"}], "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"suspend": True, "template": {"spec": spec}},
    }


def pod() -> dict[str, Any]:
    container = {
        "name": "p",
        "image": "p",
        "readinessProbe": {"httpGet": {"port": 80}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "v", "configMap": {"name": "cfg"}}],
        "schedulerName": "nobody",
        "automountServiceAccountToken": False,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def changed_deployment() -> dict[str, Any]:
    """Return the Deployment with one variable gone, one added, and another image."""
    obj = deployment()
    container = obj["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "registry.example/web:2"
    container["env"] = [{"name": "C", "value": "3"}, {"name": "A", "value": "1"}]
    return obj


def with_sidecar() -> dict[str, Any]:
    obj = deployment()
    obj["spec"]["template"]["spec"]["containers"] = [{"name": "side", "image": "side:1"}]
    return obj


def replicas(count: int) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": count},
    }


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cfg"}, "data": data}


def service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}], **spec},
    }


def istio(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def apply(what: str, path: str, body: Any, manager: str = "fleet-portal", more: str = "") -> Ask:
    return Ask(what, "PATCH", f"{path}?fieldManager={manager}{more}", body, APPLY)


IMPERSONATION_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "contract-impersonate"},
    "rules": [
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["fleet:project:shop"],
         "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["fleet:users"],
         "verbs": ["impersonate"]},
        {"apiGroups": ["authentication.k8s.io"],
         "resources": ["uids", "userextras/fleet-portal.io/login"], "verbs": ["impersonate"]},
    ],
}  # fmt: skip


def binding(kind: str, name: str, subjects: list[Any], role_kind: str, role: str) -> dict[str, Any]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": reference,
        "subjects": subjects,
    }


AGENT_SUBJECT = {"kind": "ServiceAccount", "name": "agent", "namespace": NS}
PROJECT_SUBJECT = {"kind": "User", "name": "fleet:project:shop"}
AS_PROJECT = {"Impersonate-User": "fleet:project:shop", "Impersonate-Group": "fleet:users"}
READ_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "project"},
    "rules": [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch", "create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["cfg"],
         "verbs": ["get"]},
    ],
}  # fmt: skip

SETTING_UP = [
    Ask("namespace", "POST", "/api/v1/namespaces?fieldManager=me",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS, "labels": {"a": "b"}}}),
    Ask("namespace again", "POST", "/api/v1/namespaces",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}}),
]  # fmt: skip

DISCOVERY = [
    Ask("ready", "GET", "/readyz"),
    Ask("unknown group", "GET", "/apis/nothing.example/v1"),
    Ask("unknown resource", "GET", f"/apis/apps/v1/namespaces/{NS}/things"),
    Ask("unknown object", "GET", f"{DEPLOYMENTS}/nobody"),
]

APPLYING = [
    apply("apply a new Deployment", f"{DEPLOYMENTS}/web", deployment()),
    apply("apply it again", f"{DEPLOYMENTS}/web", deployment()),
    apply("replicas by another manager", f"{DEPLOYMENTS}/web", replicas(3), "replicas"),
    apply("change, drop and add", f"{DEPLOYMENTS}/web", changed_deployment()),
    apply("a conflict on one field", f"{DEPLOYMENTS}/web", replicas(5), "other"),
    apply("a conflict on many fields", f"{DEPLOYMENTS}/web", deployment(replicas=5), "other"),
    apply("forced", f"{DEPLOYMENTS}/web", deployment(replicas=5), "other", "&force=true"),
    apply("a container of its own", f"{DEPLOYMENTS}/web", with_sidecar(), "side"),
    apply("taken back by the first", f"{DEPLOYMENTS}/web", changed_deployment(),
          more="&force=true"),
    apply("replicas given up", f"{DEPLOYMENTS}/web", deployment(), "other", "&force=true"),
    apply("dry run of a change", f"{DEPLOYMENTS}/web", replicas(9), "dry",
          "&force=true&dryRun=All"),
    apply("dry run of a new object", f"{DEPLOYMENTS}/new",
          {**deployment(), "metadata": {"name": "new"}}, more="&dryRun=All"),
    apply("the dry one isn't there", f"{DEPLOYMENTS}/web", replicas(2), "dry", "&force=true"),
    Ask("not there", "GET", f"{DEPLOYMENTS}/new"),
    Ask("apply without a manager", "PATCH", f"{DEPLOYMENTS}/web", replicas(2), APPLY),
    apply("a name that differs", f"{DEPLOYMENTS}/elsewhere", replicas(2)),
    apply("an unknown field", f"{DEPLOYMENTS}/web", deployment(nonsense=1)),
    apply("an unknown field, strict", f"{DEPLOYMENTS}/web", deployment(nonsense=1),
          more="&fieldValidation=Strict"),
    apply("a wrong type", f"{DEPLOYMENTS}/web", deployment(replicas="many")),
    apply("another selector", f"{DEPLOYMENTS}/web",
          deployment(selector={"matchLabels": {"x": "y"}}), more="&force=true"),
    apply("managedFields sent", f"{DEPLOYMENTS}/web",
          {**replicas(1), "metadata": {"name": "web", "managedFields": []}}),
    apply("a missing namespace", "/apis/apps/v1/namespaces/nowhere/deployments/web", deployment()),
    Ask("as it stands", "GET", f"{DEPLOYMENTS}/web"),
]  # fmt: skip

CHANGING = [
    Ask("scale read", "GET", f"{DEPLOYMENTS}/web/scale"),
    Ask("scale patched", "PATCH", f"{DEPLOYMENTS}/web/scale?fieldManager=kubectl",
        {"spec": {"replicas": 4}}, MERGE),
    Ask("after scaling", "GET", f"{DEPLOYMENTS}/web"),
    Ask("merge patch", "PATCH", f"{DEPLOYMENTS}/web?fieldManager=kubectl-label",
        {"metadata": {"labels": {"tier": "front", "app": None}}}, MERGE),
    Ask("strategic patch", "PATCH", f"{DEPLOYMENTS}/web?fieldManager=kubectl-set",
        {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "x:9"}]}}}},
        STRATEGIC),
    Ask("strategic delete", "PATCH", f"{DEPLOYMENTS}/web?fieldManager=kubectl-edit",
        {"spec": {"template": {"spec": {"containers": [
            {"name": "web", "env": [{"name": "A", "$patch": "delete"}]}]}}}}, STRATEGIC),
    Ask("json patch", "PATCH", f"{DEPLOYMENTS}/web?fieldManager=kubectl-patch",
        [{"op": "replace", "path": "/spec/replicas", "value": 6}], JSON_PATCH),
    Ask("json patch that misses", "PATCH", f"{DEPLOYMENTS}/web",
        [{"op": "test", "path": "/spec/replicas", "value": 1}], JSON_PATCH),
    apply("apply after all that", f"{DEPLOYMENTS}/web", changed_deployment()),
    Ask("strict create", "POST", f"{DEPLOYMENTS}?fieldValidation=Strict", deployment(wrong=1)),
    Ask("create what exists", "POST", DEPLOYMENTS, deployment()),
    Ask("a created one", "POST", f"{DEPLOYMENTS}?fieldManager=me",
        {**deployment(), "metadata": {"name": "made"}}),
    Ask("a replaced one", "PUT", f"{DEPLOYMENTS}/made?fieldManager=you",
        {**changed_deployment(), "metadata": {"name": "made"}}),
    Ask("deleted", "DELETE", f"{DEPLOYMENTS}/made"),
    Ask("a stateful set", "POST", f"/apis/apps/v1/namespaces/{NS}/statefulsets?fieldManager=me",
        {**deployment(replicas=0, paused=None, serviceName="x"), "kind": "StatefulSet"}),
    Ask("a daemon set", "POST", f"/apis/apps/v1/namespaces/{NS}/daemonsets?fieldManager=me",
        {**deployment(paused=None), "kind": "DaemonSet"}),
    Ask("a job", "POST", f"/apis/batch/v1/namespaces/{NS}/jobs?fieldManager=me", job()),
    Ask("a pod", "POST", f"{CORE}/pods?fieldManager=me", pod()),
    Ask("no containers", "POST", DEPLOYMENTS,
        {**deployment(template={"metadata": {"labels": {"app": "web"}}, "spec": {}}),
         "metadata": {"name": "empty"}}),
    Ask("a bad name", "POST", f"{CORE}/configmaps",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not_A_Name"}}),
    Ask("no name", "POST", f"{CORE}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap"}),
    Ask("the wrong kind", "POST", f"{CORE}/configmaps", {**deployment(), "apiVersion": "v1"}),
]  # fmt: skip

CONFIGS = [
    Ask("create", "POST", f"{CORE}/configmaps?fieldManager=me", config(a="1")),
    Ask("replace", "PUT", f"{CORE}/configmaps/cfg?fieldManager=you", config(a="2", b="3")),
    Ask("stale", "PUT", f"{CORE}/configmaps/cfg",
        {**config(a="9"), "metadata": {"name": "cfg", "resourceVersion": "1"}}),
    Ask("replace nothing", "PUT", f"{CORE}/configmaps/none",
        {**config(), "metadata": {"name": "none"}}),
    apply("apply over updaters", f"{CORE}/configmaps/cfg", config(a="2", c="4")),
    apply("apply less", f"{CORE}/configmaps/cfg", config(c="4")),
    Ask("select by label", "GET", f"{CORE}/configmaps?labelSelector=nothing%3Dhere"),
    Ask("select by field", "GET", f"{CORE}/configmaps?fieldSelector=metadata.name%3Dcfg"),
    Ask("a selector that can't be", "GET", f"{CORE}/configmaps?fieldSelector=data.a%3D1"),
    Ask("as a table", "GET", f"{CORE}/configmaps/cfg", headers=TABLE),
    Ask("delete, dry", "DELETE", f"{CORE}/configmaps/cfg?dryRun=All"),
    Ask("delete", "DELETE", f"{CORE}/configmaps/cfg"),
    Ask("delete again", "DELETE", f"{CORE}/configmaps/cfg"),
    Ask("with a finalizer", "POST", f"{CORE}/configmaps?fieldManager=me",
        {**config(a="1"), "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}),
    Ask("delete the held", "DELETE", f"{CORE}/configmaps/held"),
    Ask("let go", "PATCH", f"{CORE}/configmaps/held?fieldManager=me",
        {"metadata": {"finalizers": None}}, MERGE),
    Ask("gone", "GET", f"{CORE}/configmaps/held"),
    Ask("a secret", "POST", f"{CORE}/secrets?fieldManager=me",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
         "stringData": {"k": "v"}}),
    apply("a service", f"{CORE}/services/web", service()),
    apply("one more port", f"{CORE}/services/web",
          service(ports=[{"name": "http", "port": 80}, {"name": "more", "port": 81}])),
    Ask("a service created", "POST", f"{CORE}/services?fieldManager=me",
        {**service(), "metadata": {"name": "made"}}),
    Ask("ports without names", "POST", f"{CORE}/services",
        {**service(ports=[{"port": 1}, {"port": 2}]), "metadata": {"name": "bad"}}),
]  # fmt: skip

NETWORKING = [
    apply("a service entry", f"{ISTIO}/serviceentries/stub", istio("ServiceEntry", "stub", {
        "hosts": ["orders.shop.fleet.local"], "location": "MESH_INTERNAL",
        "resolution": "STATIC", "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "workloadSelector": {"labels": {"app": "orders"}}})),
    apply("a destination rule", f"{ISTIO}/destinationrules/stub", istio("DestinationRule", "stub", {
        "host": "orders.shop.fleet.local", "trafficPolicy": {
            "outlierDetection": {"consecutiveGatewayErrors": 5, "interval": "5s"}}})),
    apply("its setting by another", f"{ISTIO}/destinationrules/stub",
          istio("DestinationRule", "stub", {"trafficPolicy": {
              "outlierDetection": {"interval": "9s"}}}), "other"),
    Ask("merged", "PATCH", f"{ISTIO}/destinationrules/stub?fieldManager=me",
        {"spec": {"trafficPolicy": {"outlierDetection": {"interval": "7s"}}}}, MERGE),
    Ask("strategic for a custom kind", "PATCH", f"{ISTIO}/destinationrules/stub",
        {"spec": {}}, STRATEGIC),
    Ask("the list", "GET", f"{ISTIO}/destinationrules"),
    Ask("deleted", "DELETE", f"{ISTIO}/destinationrules/stub"),
]  # fmt: skip

IDENTITY = [
    Ask("account", "POST", f"{CORE}/serviceaccounts?fieldManager=me",
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}}),
    Ask("role", "POST", f"{RBAC}/clusterroles?fieldManager=me", IMPERSONATION_ROLE),
    Ask("role binding", "POST", f"{RBAC}/clusterrolebindings?fieldManager=me",
        binding("ClusterRoleBinding", "contract-impersonate", [AGENT_SUBJECT], "ClusterRole",
                "contract-impersonate")),
    Ask("project role", "POST", f"{RBAC}/namespaces/{NS}/roles?fieldManager=me", READ_ROLE),
    Ask("project binding", "POST", f"{RBAC}/namespaces/{NS}/rolebindings?fieldManager=me",
        binding("RoleBinding", "project", [PROJECT_SUBJECT], "Role", "project")),
    Ask("a token too short", "POST", f"{CORE}/serviceaccounts/agent/token",
        {"spec": {"expirationSeconds": 10}}),
    Ask("a token", "POST", f"{CORE}/serviceaccounts/agent/token",
        {"spec": {"expirationSeconds": 3600}}, keep_token="agent"),
    Ask("as nobody known", "GET", f"{CORE}/pods", token="nonsense"),
    Ask("as itself", "GET", f"{CORE}/pods", token="agent"),
    Ask("as itself, all", "GET", "/api/v1/pods", token="agent"),
    Ask("version", "GET", "/api", token="agent"),
    Ask("metrics", "GET", "/metrics", token="agent"),
    Ask("as the project", "GET", f"{DEPLOYMENTS}/web", token="agent", headers=AS_PROJECT),
    Ask("the project's one name", "GET", f"{CORE}/configmaps/other", token="agent",
        headers=AS_PROJECT),
    Ask("the project's limits", "GET", f"{CORE}/secrets", token="agent", headers=AS_PROJECT),
    Ask("deleting as the project", "DELETE", f"{DEPLOYMENTS}/web", token="agent",
        headers=AS_PROJECT),
    Ask("an unlisted user", "GET", f"{DEPLOYMENTS}/web", token="agent",
        headers={"Impersonate-User": "fleet:project:other"}),
    Ask("an unlisted group", "GET", f"{DEPLOYMENTS}/web", token="agent",
        headers={**AS_PROJECT, "Impersonate-Group": "system:masters"}),
    Ask("a uid", "GET", f"{DEPLOYMENTS}/web", token="agent",
        headers={**AS_PROJECT, "Impersonate-Uid": "7"}),
    Ask("an extra", "GET", f"{DEPLOYMENTS}/web", token="agent",
        headers={**AS_PROJECT, "Impersonate-Extra-Fleet-Portal.io%2Flogin": "ann"}),
    Ask("an unlisted extra", "GET", f"{DEPLOYMENTS}/web", token="agent",
        headers={**AS_PROJECT, "Impersonate-Extra-Example.com%2Fx": "ann"}),
    Ask("a group without a user", "GET", f"{DEPLOYMENTS}/web", token="agent",
        headers={"Impersonate-Group": "fleet:users"}),
    Ask("may it", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
         "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}, token="agent"),
    Ask("who am I", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
        token="agent", headers=AS_PROJECT),
]  # fmt: skip

STORIES = {
    "setting up": SETTING_UP,
    "discovery": DISCOVERY,
    "applying": APPLYING,
    "changing": CHANGING,
    "configs": CONFIGS,
    "networking": NETWORKING,
    "identity": IDENTITY,
}


class Talk:
    """A client that keeps tokens by name."""

    def __init__(self, port: int, ca: Path, token: str) -> None:
        self._port, self._ca = port, ca
        self._tokens = {"": token}

    def api(self, token: str = "") -> Api:
        return Api(self._port, self._ca, self._tokens.get(token, token))

    def ask(self, ask: Ask) -> tuple[int, Any]:
        try:
            body = self.api(ask.token).request(
                ask.method,
                ask.path,
                ask.body,
                headers={"Accept": "application/json", **ask.headers},
                content_type=ask.content_type,
            )
        except ApiError as error:
            return error.status, error.body
        if ask.keep_token:
            self._tokens[ask.keep_token] = body["status"]["token"]
        return 200, body


def normalised(value: Any) -> Any:
    """Return an answer without what two servers can't have in common."""
    if isinstance(value, list):
        items = [normalised(item) for item in value]
        # Managers in conflict come in the order of a Go map, which is none.
        conflicts = all(isinstance(i, dict) and "FieldManagerConflict" in i.values() for i in items)
        return sorted(items, key=json.dumps) if conflicts else items
    if isinstance(value, str):
        for pattern, word in _WORDS:
            value = pattern.sub(word, value)
        return value
    if not isinstance(value, dict):
        return value
    # A refusal's word is the answer itself; an object's status is the controllers' work.
    volatile = _VOLATILE - ({"status"} if value.get("kind") == "Status" else set())
    kept = {
        key: normalised(inner)
        for key, inner in value.items()
        if key not in volatile and not key.startswith(_OF_CONTROLLERS)
    }
    if value.get("managedFields"):
        kept["managedFields"] = managed(value["managedFields"])
    if "annotations" in kept and not kept["annotations"]:
        del kept["annotations"]
    return kept


def managed(entries: list[dict[str, Any]]) -> list[Any]:
    """Return who owns what, in one order, without the controllers' own entries."""
    kept = [
        {key: inner for key, inner in entry.items() if key != "time"}
        for entry in entries
        if entry["manager"] != "kube-controller-manager"
    ]
    return sorted(kept, key=lambda entry: json.dumps(entry, sort_keys=True))


class Simulation:
    """A simulated cluster on a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        plan = ClusterPlan("contract", "eu", ("eu-a", "eu-b"), 2, 4, 8)
        self.cluster = self._call(self._made(plan, folder))
        self.ca = folder / "ca.crt"
        self.ca.write_text(self.cluster.certificate)

    async def _made(self, plan: ClusterPlan, folder: Path) -> SimulatedCluster:
        cluster = SimulatedCluster(plan, ClusterNetwork(99), folder)
        await cluster.start()
        return cluster

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def talk(self) -> Talk:
        return Talk(self.cluster.server.port, self.ca, self.cluster.server.tokens.admin)

    def stop(self) -> None:
        self._call(self.cluster.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    simulation = Simulation(tmp_path_factory.mktemp("simulated"))
    yield simulation
    simulation.stop()


def differences(real: Talk, simulated: Talk, asks: list[Ask]) -> list[str]:
    """Return what each server answered where the two don't agree."""
    found = []
    for ask in asks:
        answers = [(code, normalised(body)) for code, body in (real.ask(ask), simulated.ask(ask))]
        if answers[0] != answers[1]:
            lines = [json.dumps(answer, sort_keys=True, indent=1) for answer in answers]
            found.append(f"{ask.what}\n--- real\n{lines[0]}\n--- simulated\n{lines[1]}")
    return found


def real_talk(plane: ControlPlane) -> Talk:
    return Talk(plane.port, plane.ca, plane.api.token)


@pytest.fixture
def both(
    control_planes: ControlPlanes, simulation: Simulation
) -> Iterator[tuple[ControlPlane, Talk, Talk]]:
    """The real cluster and a client of each, with an empty namespace in both."""
    plane = control_planes.get("eu")
    yield plane, real_talk(plane), simulation.talk()
    for talk in (real_talk(plane), simulation.talk()):
        talk.ask(Ask("clear", "DELETE", f"/api/v1/namespaces/{NS}"))
        talk.api().wait_for(
            "/api/v1/namespaces",
            lambda found: NS not in [n["metadata"]["name"] for n in found],
            what="the namespace is gone",
        )


def test_both_answer_alike(both: tuple[ControlPlane, Talk, Talk]) -> None:
    plane, real, simulated = both
    install_crds(plane)
    found = differences(real, simulated, [ask for story in STORIES.values() for ask in story])
    assert not found, "\n\n".join(found)


def watched(talk: Talk) -> list[tuple[str, Any]]:
    """Return the events of some changes, from the revision before them on."""
    path = f"{CORE}/configmaps"
    before = talk.api().get(path)["metadata"]["resourceVersion"]
    for ask in (
        Ask("", "POST", f"{path}?fieldManager=me", config(a="1")),
        Ask(
            "", "PATCH", f"{path}/cfg?fieldManager=me", {"metadata": {"labels": {"x": "y"}}}, MERGE
        ),
        apply("", f"{path}/cfg", config(b="2")),
        Ask("", "PATCH", f"{path}/cfg?fieldManager=me", {"metadata": {"labels": None}}, MERGE),
        Ask("", "DELETE", f"{path}/cfg"),
    ):
        talk.ask(ask)
    selected = f"{path}?labelSelector=x%3Dy"
    return [*_events(talk, path, before, 5), *_events(talk, selected, before, 3)]


def _events(talk: Talk, path: str, revision: str, count: int) -> list[tuple[str, Any]]:
    events = []
    api = talk.api()
    for event in api._watch(path, revision, time.monotonic() + 20):
        if event["object"]["metadata"].get("name") == "cfg":
            events.append((event["type"], normalised(event["object"])))
        if len(events) == count:
            break
    api.stop_watching()
    return events


def test_watches_tell_alike(both: tuple[ControlPlane, Talk, Talk]) -> None:
    _, real, simulated = both
    for talk in (real, simulated):
        talk.ask(SETTING_UP[0])
    assert watched(real) == watched(simulated)


def paged(talk: Talk) -> list[Any]:
    path = f"{CORE}/secrets"
    for number in range(5):
        metadata = {"name": f"s-{number}"}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        talk.ask(Ask("", "POST", path, body))
    pages: list[Any] = []
    token = ""
    while not pages or token:
        page = talk.api().get(f"{path}?limit=2&continue={token}")
        token = page["metadata"].get("continue", "")
        names = [item["metadata"]["name"] for item in page["items"]]
        pages.append((names, page["metadata"].get("remainingItemCount")))
    return pages


def test_pages_come_alike(both: tuple[ControlPlane, Talk, Talk]) -> None:
    _, real, simulated = both
    for talk in (real, simulated):
        talk.ask(SETTING_UP[0])
    assert paged(real) == paged(simulated)


KUBECTL = [
    ["apply", "-f", "FIRST"],
    ["apply", "-f", "SECOND"],
    ["apply", "--server-side", "--force-conflicts", "-f", "SECOND"],
    ["get", "deployments,services,configmaps", "-n", NS, "--no-headers"],
    ["scale", "-n", NS, "deployment/web", "--replicas=2"],
    ["label", "-n", NS, "deployment/web", "tier=front"],
    ["set", "image", "-n", NS, "deployment/web", "web=other:3"],
    ["diff", "-f", "SECOND"],
    ["get", "pods", "-n", NS, "--as=fleet:nobody"],
    ["delete", "-n", NS, "deployment/web", "service/web"],
    ["get", "deployment/web", "-n", NS],
]


def kubectl_says(kubeconfig: Path, folder: Path) -> list[tuple[list[str], int, str]]:
    files = {"FIRST": folder / "first.json", "SECOND": folder / "second.json"}
    said = []
    for words in KUBECTL:
        arguments = [str(files.get(word, word)) for word in words]
        done = subprocess.run(
            [str(build.kubectl()), "--kubeconfig", str(kubeconfig),
             f"--cache-dir={kubeconfig.parent / 'kubectl-cache'}", *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        printed = _printed(done.stdout + done.stderr)
        if words[0] == "diff":
            # What surrounds a change is the controllers' status, and theirs to word.
            printed = "\n".join(line for line in printed.splitlines() if line[:1] in "+-")
        said.append((words, done.returncode, printed))
    return said


def _printed(text: str) -> str:
    """Return what kubectl printed without ages, addresses, folders and warnings of versions."""
    lines = [
        re.sub(r"\d+\.\d+\.\d+\.\d+|\b\d+[smh]\b|/tmp/\S+|\t.*", "", line)
        for line in text.splitlines()
        if not line.startswith(("WARNING", "Warning")) and "generation" not in line
    ]
    return re.sub(r" +", " ", "\n".join(lines))


def manifest_list(*objects: dict[str, Any]) -> dict[str, Any]:
    for obj in objects:
        obj["metadata"]["namespace"] = NS
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}}
    return {"apiVersion": "v1", "kind": "List", "items": [namespace, *objects]}


def test_kubectl_says_alike(
    both: tuple[ControlPlane, Talk, Talk], simulation: Simulation, tmp_path: Path
) -> None:
    plane, real, simulated = both
    first = manifest_list(deployment(), service(), config(a="1"))
    second = manifest_list(changed_deployment(), service(), config(b="2"))
    (tmp_path / "first.json").write_text(json.dumps(first))
    (tmp_path / "second.json").write_text(json.dumps(second))
    said = kubectl_says(plane.kubeconfig_admin, tmp_path)
    again = kubectl_says(simulation.cluster.admin_kubeconfig(), tmp_path)
    assert [pair for pair in zip(said, again, strict=True) if pair[0] != pair[1]] == []
    objects = [normalised(talk.api().get(f"{CORE}/configmaps/cfg")) for talk in (real, simulated)]
    assert objects[0] == objects[1]
