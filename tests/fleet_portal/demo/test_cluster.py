from pathlib import Path

import pytest
import yaml

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.cluster import ClusterPlan, SimulatedCluster, node_object
from fleet_portal.demo.network import ClusterNetwork

from .conftest import kind, namespace, pod, running

PLAN = ClusterPlan("eu-1", "eu", ("eu-1-a", "eu-1-b"), 3, 8, 32)
NETWORK = ClusterNetwork(250)


@pytest.fixture
def cluster(tmp_path: Path) -> SimulatedCluster:
    made = SimulatedCluster(PLAN, NETWORK, tmp_path)
    made.objects.create(kind("Namespace"), namespace("shop"), "me")
    return made


def test_nodes_alternate_over_zones(cluster: SimulatedCluster) -> None:
    labels = [n["metadata"]["labels"] for n in cluster.store.all(kind("Node"))]
    zones = [label["topology.kubernetes.io/zone"] for label in labels]
    assert zones == ["eu-1-a", "eu-1-b", "eu-1-a"]
    assert {label["topology.kubernetes.io/region"] for label in labels} == {"eu"}


def test_a_node_has_the_planned_size() -> None:
    assert node_object(PLAN, NETWORK, 0)["status"]["allocatable"]["cpu"] == "8"


def test_a_kubeconfig_needs_its_account(cluster: SimulatedCluster) -> None:
    with pytest.raises(ApiError):
        cluster.account_kubeconfig("shop", "nobody")


def test_the_administrators_kubeconfig_is_private_and_whole(cluster: SimulatedCluster) -> None:
    path = cluster.admin_kubeconfig()
    content = yaml.safe_load(path.read_text())
    assert path.stat().st_mode & 0o077 == 0
    assert content["users"][0]["user"]["token"] == cluster.server.tokens.admin


def test_only_ready_pods_with_the_labels_count(cluster: SimulatedCluster) -> None:
    made = cluster.objects.create(kind("Pod"), pod(), "me")
    assert cluster.ready_pods("shop", {"app": "web"}) == []
    running(cluster.objects, made)
    assert len(cluster.ready_pods("shop", {"app": "web"})) == 1
    assert cluster.ready_pods("shop", {}) == []


def test_the_proxy_finds_pods_and_local_servers(cluster: SimulatedCluster) -> None:
    running(cluster.objects, cluster.objects.create(kind("Pod"), pod(), "me"), "127.250.1.9")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    cluster.objects.create(kind("Service"), service, "me")
    assert cluster._resolve("shop", "web", "80") == ("127.250.1.9", 8080)
    assert cluster._resolve("shop", "nobody", "80") is None
    cluster.serve_locally("shop", "nobody", "127.0.0.1", 9)
    assert cluster._resolve("shop", "nobody", "") == ("127.0.0.1", 9)


async def test_it_serves_and_makes_pods(cluster: SimulatedCluster) -> None:
    await cluster.start()
    assert cluster.address.startswith("https://127.0.0.1:")
    with cluster.store.changes(kind("ServiceAccount")) as queue:
        cluster.objects.create(kind("Namespace"), namespace("new"), "me")
        while (change := await queue.get()).obj["metadata"]["namespace"] != "new":
            continue
    assert change.obj["metadata"]["name"] == "default"
    await cluster.stop()
