"""Real control planes do what tests rely on."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.real.api import Api, ApiError
from tests.real.components import NEVER_READY, NodeSpec
from tests.real.fixtures import ControlPlanes
from tests.real.launcher import ControlPlane, KubectlFailed
from tests.real.pods import says, serve_pod

pytestmark = pytest.mark.real


def pod(name: str, *, cpu: str = "100m", **metadata: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}}
    containers = [{"name": "main", "image": "example.com/app:1", "resources": resources}]
    return {"metadata": {"name": name, **metadata}, "spec": {"containers": containers}}


def pods_of(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def is_running(found: list[dict[str, Any]]) -> bool:
    return bool(found) and all(item["status"].get("phase") == "Running" for item in found)


def is_ready(item: dict[str, Any]) -> bool:
    conditions = item["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@pytest.fixture
def own_cluster(control_planes: ControlPlanes) -> Iterator[ControlPlane]:
    """A cluster of the test's own, to break."""
    nodes = [NodeSpec("small", "zone-a", cpu="1"), NodeSpec("large", "zone-b", cpu="64")]
    plane = ControlPlane.start("own", "mars", nodes)
    yield plane
    plane.stop()


def test_nodes_have_region_zone_and_capacity(real_cluster: ControlPlane) -> None:
    nodes = {node["metadata"]["name"]: node for node in real_cluster.api.items("/api/v1/nodes")}
    labels = nodes["eu-a-1"]["metadata"]["labels"]
    assert labels["topology.kubernetes.io/region"] == "eu"
    assert labels["topology.kubernetes.io/zone"] == "eu-a"
    assert nodes["eu-a-1"]["status"]["allocatable"]["cpu"] == "8"


def test_version_is_the_released_one(real_cluster: ControlPlane) -> None:
    assert real_cluster.api.get("/version")["gitVersion"] == "v1.36.3"


def test_pods_run_where_there_is_room(own_cluster: ControlPlane) -> None:
    own_cluster.api.request("POST", pods_of("default"), pod("big", cpu="10"))
    found = own_cluster.api.wait_for(pods_of("default"), is_running)
    assert found[0]["spec"]["nodeName"] == "large"


def test_api_server_comes_back_with_everything_it_had(own_cluster: ControlPlane) -> None:
    own_cluster.api.request("POST", pods_of("default"), pod("kept"))
    own_cluster.stop_api_server()
    assert not own_cluster.api.answers()
    own_cluster.start_api_server()
    assert [item["metadata"]["name"] for item in own_cluster.api.items(pods_of("default"))] == [
        "kept"
    ]


def test_nodes_come_and_go(own_cluster: ControlPlane) -> None:
    own_cluster.add_node(NodeSpec("late", "zone-c"))
    own_cluster.remove_node("small")
    own_cluster.api.wait_for(
        "/api/v1/nodes",
        lambda found: {n["metadata"]["name"] for n in found if is_ready(n)} == {"large", "late"},
    )


def test_pod_addresses_come_from_the_nodes_own_range(
    real_cluster: ControlPlane, real_namespace: str
) -> None:
    real_cluster.api.request("POST", pods_of(real_namespace), pod("one"))
    found = real_cluster.api.wait_for(pods_of(real_namespace), is_running)[0]
    node = real_cluster.api.get(f"/api/v1/nodes/{found['spec']['nodeName']}")
    network = node["spec"]["podCIDR"].removesuffix("0/24")
    assert found["status"]["podIP"].startswith(network)


def test_a_pod_can_be_told_never_to_get_ready(
    real_cluster: ControlPlane, real_namespace: str
) -> None:
    path = pods_of(real_namespace)
    real_cluster.api.request("POST", path, pod("stuck", annotations={NEVER_READY: ""}))
    real_cluster.api.request("POST", path, pod("well"))
    found = real_cluster.api.wait_for(path, lambda pods: any(map(is_ready, pods)))
    assert [item["metadata"]["name"] for item in found if is_ready(item)] == ["well"]


def test_service_proxy_reaches_a_served_pod(
    real_cluster: ControlPlane, real_namespace: str
) -> None:
    path = pods_of(real_namespace)
    real_cluster.api.request("POST", path, pod("web", labels={"app": "web"}))
    port = {"name": "http", "port": 80, "targetPort": 8080}
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [port]}}
    services = f"/api/v1/namespaces/{real_namespace}/services"
    real_cluster.api.request("POST", services, service)
    address = real_cluster.api.wait_for(path, is_running)[0]["status"]["podIP"]
    real_cluster.api.wait_for(
        f"/apis/discovery.k8s.io/v1/namespaces/{real_namespace}/endpointslices",
        lambda found: any(item["endpoints"] for item in found),
    )
    with serve_pod(address, 8080, says(cluster="eu-1")):
        assert real_cluster.api.get(f"{services}/web:80/proxy/") == {"cluster": "eu-1"}


def test_service_account_kubeconfig_has_that_accounts_rights_only(
    real_cluster: ControlPlane, real_namespace: str
) -> None:
    kubeconfig = real_cluster.service_account_kubeconfig(real_namespace, "default")
    who = real_cluster.kubectl_as(kubeconfig, "auth", "whoami", "-o", "yaml")
    name = f"system:serviceaccount:{real_namespace}:default"
    assert yaml.safe_load(who)["status"]["userInfo"]["username"] == name
    with pytest.raises(KubectlFailed, match="cannot list resource"):
        real_cluster.kubectl_as(kubeconfig, "get", "secrets", "-A")


IMPERSONATION = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: impersonate-{namespace}}}
rules:
- {{apiGroups: [""], resources: [users], resourceNames: ["fleet:person"], verbs: [impersonate]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: impersonate-{namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: impersonate-{namespace}}}
subjects: [{{kind: ServiceAccount, name: default, namespace: {namespace}}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader, namespace: {namespace}}}
rules:
- {{apiGroups: [""], resources: [pods], verbs: [list]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: User, name: "fleet:person", apiGroup: rbac.authorization.k8s.io}}]
"""


@pytest.fixture
def impersonator(real_cluster: ControlPlane, real_namespace: str) -> Api:
    """A client whose ServiceAccount may act as `fleet:person` and as nobody else."""
    real_cluster.apply(IMPERSONATION.format(namespace=real_namespace))
    kubeconfig = real_cluster.service_account_kubeconfig(real_namespace, "default")
    token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    return Api(real_cluster.port, real_cluster.ca, token)


def test_listed_name_may_be_impersonated(impersonator: Api, real_namespace: str) -> None:
    headers = {"Impersonate-User": "fleet:person"}
    found = impersonator.request("GET", pods_of(real_namespace), headers=headers)
    assert found["items"] == []


@pytest.mark.parametrize("name", ["fleet:other", "system:kube-controller-manager", "admin"])
def test_unlisted_name_is_refused(impersonator: Api, real_namespace: str, name: str) -> None:
    with pytest.raises(ApiError, match="cannot impersonate") as refused:
        impersonator.request("GET", pods_of(real_namespace), headers={"Impersonate-User": name})
    assert refused.value.status == 403
