"""The printed manifest, applied with kubectl to a real API server: what each name may then do.

Every call runs as the data account `fleet-impersonator` with the headers that an agent writes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from clusters.domain.leftovers import leftover_commands
from clusters.domain.manifest import (
    ManifestInput,
    Prometheus,
    build_manifest,
    heading_of,
    render_yaml,
)
from clusters.domain.names import OBSERVER, PERSON, names_for
from tests.real.api import Api, ApiError
from tests.real.fixtures import require
from tests.real.launcher import ControlPlane, KubectlFailed

pytestmark = pytest.mark.real

# A changed RBAC rule reaches the API server's caches within moments; a withdrawn right of
# constrained impersonation within 20 s (it is remembered for 10 s).
DEADLINE_SECONDS = 40
NODES = "/api/v1/nodes"
SHOP = "/apis/apps/v1/namespaces/shop/deployments"
PROJECT = "fleet:project:web"
WAYS = ["legacy", "constrained"]
MODES = ["observe", "use", "manage"]


@dataclass
class Joined:
    """A cluster with one manifest applied."""

    plane: ControlPlane
    mode: str
    impersonation: str
    token: str

    def ask(
        self,
        path: str,
        user: str = "",
        groups: tuple[str, ...] = (),
        method: str = "GET",
        body: Any = None,
        carried: bool = True,
    ) -> Any:
        """Send one request as `user`; raises ApiError with what the cluster said."""
        headers = {}
        if user:
            headers["Impersonate-User"] = user
        if user and carried:
            headers["Impersonate-Uid"] = "user:7"
            headers["Impersonate-Extra-Fleet-Portal.io%2Flogin"] = "ada"
            headers["Impersonate-Extra-Fleet-Portal.io%2Fsession"] = "t1"
        if groups:
            (headers["Impersonate-Group"],) = groups
        api = Api(self.plane.port, self.plane.ca, self.token)
        return api.request(method, path, body, headers=headers)

    def settles(self, *arguments: Any, **options: Any) -> Any:
        """Return the answer once there is one: rules take a moment to reach the caches."""
        return until(lambda: self.ask(*arguments, **options), ApiError)

    def refused(self, *arguments: Any, **options: Any) -> str:
        """Return the words of a refusal."""

        def ask() -> str:
            try:
                self.ask(*arguments, **options)
            except ApiError as error:
                return f"{error.status}: {error}"
            raise NotRefused

        words = str(until(ask, NotRefused))
        assert words.startswith("403: ")
        return words


class NotRefused(Exception):
    """The cluster still answers."""


def until(ask: Callable[[], Any], passing: type[Exception]) -> Any:
    ends = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return ask()
        except passing:
            if time.monotonic() > ends:
                raise


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A cluster of this module's own: every mode in turn is applied over the one before."""
    require("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kwok")
    plane = ControlPlane.start("manifest", "mars")
    yield plane
    plane.stop()


def manifest_of(mode: str, impersonation: str) -> str:
    scopes = (("web", ("shop",)),) if mode == "manage" else ()
    given = ManifestInput(
        cluster="mars-1",
        url="https://127.0.0.1:1",
        pins=("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",),
        image="example.com/agent:1",
        mode=mode,
        impersonation=impersonation,
        names=names_for(mode, ["web"], ["web"]),
        scopes=scopes,
        prometheus=Prometheus("monitoring", "prometheus", 9090),
        token="fpj_token",
    )
    return render_yaml(build_manifest(given), heading_of(given))


@pytest.fixture(scope="module", params=[(mode, way) for way in WAYS for mode in MODES])
def joined(request: pytest.FixtureRequest, plane: ControlPlane) -> Joined:
    mode, impersonation = request.param
    plane.kubectl("apply", "-f", "-", input=manifest_of(mode, impersonation))
    path = "/api/v1/namespaces/fleet-system/serviceaccounts/fleet-impersonator/token"
    token = plane.api.request("POST", path, {"spec": {}})["status"]["token"]
    made = Joined(plane, mode, impersonation, token)
    made.settles(NODES, OBSERVER)
    return made


def test_applying_again_changes_nothing(joined: Joined) -> None:
    text = manifest_of(joined.mode, joined.impersonation)
    said = joined.plane.kubectl("apply", "-f", "-", input=text).splitlines()
    # A Secret written by `stringData` is compared with what kubectl wrote before.
    changed = [line for line in said if not line.endswith("unchanged")]
    assert changed in ([], ["secret/fleet-agent-join configured"])


def test_the_observer_reads_nodes_and_no_secrets(joined: Joined) -> None:
    assert joined.ask(NODES, OBSERVER)["items"]
    said = joined.refused("/api/v1/secrets", OBSERVER)
    assert "secrets is forbidden" in said


def test_the_observer_changes_nothing(joined: Joined) -> None:
    pod = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    path = "/api/v1/namespaces/default/pods"
    assert "forbidden" in joined.refused(path, OBSERVER, method="POST", body=pod)


def test_without_a_name_nothing_is_read(joined: Joined) -> None:
    """A lost header is a refusal, not the agent's own rights."""
    assert "fleet-system:fleet-impersonator" in joined.refused(NODES)


@pytest.mark.parametrize(
    "user",
    [
        "fleet:nobody",
        "fleet:controller:Observer",
        "system:kube-controller-manager",
        "system:admin",
        "system:serviceaccount:kube-system:default",
        "admin",
    ],
)
def test_an_unlisted_name_is_refused(joined: Joined, user: str) -> None:
    said = joined.refused("/api/v1/secrets", user)
    assert "impersonate" in said or "forbidden" in said
    assert "fleet-impersonator" in said


@pytest.mark.parametrize("group", ["system:masters", "system:nodes", "fleet:team:other"])
def test_an_unlisted_group_is_refused(joined: Joined, group: str) -> None:
    said = joined.refused(NODES, OBSERVER, (group,))
    assert group in said or "system:masters" in said or "fleet-impersonator" in said


def test_people_arrive_where_they_may(joined: Joined) -> None:
    said = joined.refused("/api/v1/pods", PERSON, ("fleet:users",))
    arrived = f'User "{PERSON}" cannot list' in said
    assert arrived is (joined.mode != "observe")


def test_a_bound_group_gives_people_their_rights(joined: Joined) -> None:
    joined.plane.kubectl("apply", "-f", "-", input=BOUND)
    path = "/api/v1/namespaces/team/pods"
    if joined.mode == "observe":
        assert "fleet-impersonator" in joined.refused(path, PERSON, ("fleet:team:web",))
    else:
        assert joined.settles(path, PERSON, ("fleet:team:web",))["items"] == []


BOUND = """
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "fleet:team:web"}]
"""


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "x", "image": "x"}]},
            },
        },
    }


def test_a_project_works_in_its_namespaces_alone(joined: Joined) -> None:
    name = f"d-{joined.impersonation}"
    if joined.mode != "manage":
        assert "fleet-impersonator" in joined.refused(SHOP, PROJECT)
        return
    joined.settles(SHOP, PROJECT, method="POST", body=deployment(name))
    elsewhere = SHOP.replace("shop", "default")
    assert f'User "{PROJECT}"' in joined.refused(elsewhere, PROJECT)
    assert "forbidden" in joined.refused("/api/v1/namespaces/kube-system/secrets", PROJECT)
    joined.ask(f"{SHOP}/{name}", PROJECT, method="DELETE")


@pytest.mark.parametrize(
    "path",
    [
        "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        NODES,
    ],
)
def test_a_project_gives_itself_nothing(joined: Joined, path: str) -> None:
    assert "forbidden" in joined.refused(path, PROJECT)


def test_the_agents_own_account_looks_after_itself_alone(joined: Joined) -> None:
    own = joined.plane.service_account_kubeconfig("fleet-system", "fleet-agent")

    def may(*what: str) -> bool:
        try:
            return joined.plane.kubectl_as(own, "auth", "can-i", "-q", *what) == ""
        except KubectlFailed:  # "no" is exit code 1
            return False

    assert may("create", "serviceaccounts/fleet-impersonator", "--subresource=token", *SYSTEM)
    assert may("get", "secrets/fleet-agent-identity", *SYSTEM)
    assert may("get", "namespaces/kube-system")
    for refused in (
        ("create", "serviceaccounts/fleet-agent", "--subresource=token", *SYSTEM),
        ("list", "pods", "-A"),
        ("list", "nodes"),
        ("get", "secrets", "-n", "default"),
        ("impersonate", "users"),
        ("create", "clusterrolebindings"),
    ):
        assert not may(*refused), refused


SYSTEM = ("-n", "fleet-system")


def test_prometheus_alone_is_proxied(joined: Joined) -> None:
    def may(service: str) -> bool:
        review = {
            "spec": {
                "user": OBSERVER,
                "resourceAttributes": {
                    "verb": "get",
                    "resource": "services",
                    "subresource": "proxy",
                    "namespace": "monitoring",
                    "name": service,
                },
            }
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(joined.plane.api.request("POST", path, review)["status"]["allowed"])

    assert may("prometheus:9090")
    assert not may("grafana:3000")
    # Through the data account the same request passes, and finds no such service.
    path = "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/query"
    with pytest.raises(ApiError) as error:
        joined.ask(path, OBSERVER)
    assert error.value.status in (404, 503)


def test_what_is_left_is_cleared_by_the_printed_commands(plane: ControlPlane) -> None:
    """Last in this module: it takes the manifest away again."""
    plane.kubectl("apply", "-f", "-", input=manifest_of("manage", "legacy"))
    commands = leftover_commands(namespaces=["shop"], prometheus_namespace="monitoring")
    for command in commands:
        plane.kubectl(*command.split()[1:])
    found = plane.kubectl(
        *("get", "clusterroles,clusterrolebindings,namespaces,roles,rolebindings", "-A"),
        *("-l", "app.kubernetes.io/part-of=fleet-portal", "-o", "name"),
    )
    assert found.split() == []
    assert "namespace/shop" in plane.kubectl("get", "namespaces", "-o", "name")
