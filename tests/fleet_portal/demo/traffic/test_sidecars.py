import json
from pathlib import Path
from typing import Any

import pytest

from fleet_portal.demo.cluster import ClusterPlan, SimulatedCluster
from fleet_portal.demo.network import ClusterNetwork
from fleet_portal.demo.traffic.sidecars import Sidecar, entrances, pod_endpoints
from mesh.domain.services import Port, Service
from mesh.domain.stubs import Gateway, Site, objects_for

from ..conftest import kind, namespace, pod, running

PLAN = ClusterPlan("eu-1", "eu", ("eu-1-a",), 1, 8, 32)
HERE = Site("eu-1", "eu", "eu-1-a", "", (Gateway("127.1.0.2"),), True)
THERE = Site("us-1", "us", "us-1-a", "", (Gateway("127.2.0.2"),), True)
ORDERS = Service("orders", "shop", (Port(80, "http", "HTTP", 8080),), {"app": "web"})


@pytest.fixture
def cluster(tmp_path: Path) -> SimulatedCluster:
    """A cluster with the mesh objects of a service, and one ready Pod of it."""
    made = SimulatedCluster(PLAN, ClusterNetwork(251), tmp_path)
    made.objects.create(kind("Namespace"), namespace("shop"), "me")
    for obj in objects_for(ORDERS, HERE, [HERE, THERE]):
        made.objects.create(kind(obj["kind"]), obj, "me")
    stored = made.objects.create(kind("Pod"), pod(), "me")
    node = made.store.all(kind("Node"))[0]["metadata"]["name"]
    running(made.objects, {**stored, "spec": {**stored["spec"], "nodeName": node}}, "127.251.1.1")
    return made


def written(folder: Path, name: str) -> Any:
    return json.loads((folder / f"envoy-{PLAN.name}" / name).read_text())["resources"]


def test_pods_are_told_with_their_readiness(cluster: SimulatedCluster) -> None:
    (found,) = pod_endpoints(cluster)
    assert (found.address, found.ready, found.labels) == ("127.251.1.1", True, {"app": "web"})


def test_the_stub_can_be_entered_under_each_of_its_names(cluster: SimulatedCluster) -> None:
    ((name, (domains, hosts)),) = entrances(cluster, pod_endpoints(cluster)).items()
    assert name == "inbound|80||orders.shop.fleet.local"
    assert {"orders.shop.fleet.local", "orders.shop.svc.cluster.local:80"} <= set(domains)
    assert [(h.address, h.port) for h in hosts] == [("127.251.1.1", 8080)]


def test_local_pods_come_before_the_other_region(cluster: SimulatedCluster, tmp_path) -> None:
    Sidecar(cluster, cluster.network, tmp_path).configure()
    (assignment,) = written(tmp_path, "outbound_80__orders.shop.fleet.local.json")
    found = [
        (e["priority"], h["endpoint"]["address"]["socket_address"]["address"])
        for e in assignment["endpoints"]
        for h in e["lb_endpoints"]
    ]
    assert sorted(found) == [(0, "127.251.1.1"), (1, "127.2.0.2")]


def test_an_unchanged_file_is_not_written_again(cluster: SimulatedCluster, tmp_path) -> None:
    sidecar = Sidecar(cluster, cluster.network, tmp_path)
    sidecar.configure()
    path = tmp_path / f"envoy-{PLAN.name}" / "clusters.json"
    before = path.stat().st_ino
    sidecar.configure()
    assert path.stat().st_ino == before


def test_what_cannot_be_translated_leaves_all_as_it_was(
    cluster: SimulatedCluster, tmp_path
) -> None:
    sidecar = Sidecar(cluster, cluster.network, tmp_path)
    sidecar.configure()
    before = written(tmp_path, "clusters.json")
    rule = cluster.store.all(kind("DestinationRule"))[0]
    policy = {"portLevelSettings": [{"port": {"number": 80}}]}
    changed = {**rule, "spec": {**rule["spec"], "trafficPolicy": policy}}
    cluster.objects.update(kind("DestinationRule"), changed, "me")
    sidecar.configure()
    assert written(tmp_path, "clusters.json") == before
