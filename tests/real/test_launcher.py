"""Real control planes do what tests rely on."""

import pytest

from tests.real.launcher import ControlPlane

pytestmark = pytest.mark.real


def pod(name: str, **spec: object) -> dict[str, object]:
    containers = [{"name": "main", "image": "example.com/app:1"}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def test_nodes_have_region_zone_and_capacity(real_cluster: ControlPlane) -> None:
    nodes = {node["metadata"]["name"]: node for node in real_cluster.api.items("/api/v1/nodes")}
    labels = nodes["eu-a-1"]["metadata"]["labels"]
    assert labels["topology.kubernetes.io/region"] == "eu"
    assert labels["topology.kubernetes.io/zone"] == "eu-a"
    assert nodes["eu-a-1"]["status"]["allocatable"]["cpu"] == "8"


def test_version_is_the_released_one(real_cluster: ControlPlane) -> None:
    assert real_cluster.api.get("/version")["gitVersion"] == "v1.36.3"
    assert real_cluster.api.get("/version")["minor"] == "36"
