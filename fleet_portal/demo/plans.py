"""What the demo shows: six clusters of different sizes in three regions, and a small shop."""

from __future__ import annotations

from typing import Any

from fleet_portal.demo.cluster import ClusterPlan

PROJECT = "shop"
NAMESPACE = "shop"
APPLICATION = "shop"
SERVICE = "orders"
SERVICE_HOST = f"{SERVICE}.{NAMESPACE}.svc.cluster.local"
CALLER_LABELS = {"app": "frontend"}
REGIONS = ("eu", "us", "ap")


def _plan(name: str, region: str, zones: str, nodes: int, cpu: int, gib: int) -> ClusterPlan:
    # A zone's name tells its cluster, so that Envoy's counters by zone tell it too.
    return ClusterPlan(name, region, tuple(f"{name}-{z}" for z in zones), nodes, cpu, gib)


PLANS: tuple[ClusterPlan, ...] = (
    _plan("eu-idc-1", "eu", "ab", 6, 16, 64),
    _plan("eu-cloud-1", "eu", "abc", 3, 8, 32),
    _plan("us-cloud-1", "us", "abc", 4, 8, 32),
    _plan("us-cloud-2", "us", "ab", 2, 4, 16),
    _plan("ap-idc-1", "ap", "a", 4, 16, 64),
    _plan("ap-cloud-1", "ap", "ab", 2, 4, 16),
)


def labels_of(plan: ClusterPlan) -> dict[str, str]:
    """Return the labels a cluster is registered with."""
    kind = "idc" if "-idc-" in plan.name else "cloud"
    return {"kind": kind, "size": "large" if plan.cpu >= 16 else "small"}


def cluster_of_zone() -> dict[str, str]:
    return {zone: plan.name for plan in PLANS for zone in plan.zones}


def nearest_to(region: str) -> list[str]:
    """Return the other regions in the order in which traffic should go there."""
    order = {"eu": ["us", "ap"], "us": ["eu", "ap"], "ap": ["us", "eu"]}
    return order[region]


def shop_objects() -> list[dict[str, Any]]:
    """Return the shop: a frontend that asks orders, and its configuration."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "shop", "namespace": NAMESPACE},
            "data": {"currency": "EUR", "orders": f"http://{SERVICE}/"},
        },
        _deployment("frontend", 2, cpu="100m", memory="128Mi"),
        _deployment(SERVICE, 2, cpu="250m", memory="256Mi"),
        _service("frontend"),
        _service(SERVICE),
    ]


def _deployment(name: str, replicas: int, cpu: str, memory: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {
        "name": name,
        "image": f"registry.example.com/shop/{name}:1.0",
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": cpu, "memory": memory}},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    }


def overrides() -> list[dict[str, Any]]:
    """Return what differs by cluster: more Pods where there is room, another currency."""
    return [
        {
            "name": "large-clusters",
            "priority": 10,
            "selector": {"selector": "size=large"},
            "operations": [
                {"op": "replicas", "workload": "frontend", "replicas": 3},
                {"op": "replicas", "workload": SERVICE, "replicas": 4},
            ],
        },
        {
            "name": "us-currency",
            "priority": 5,
            "selector": {"regions": ["us"]},
            "operations": [
                {"op": "env", "workload": "frontend", "variable": "CURRENCY", "value": "USD"}
            ],
        },
    ]


def waves() -> list[dict[str, Any]]:
    """Return the order of the first rollout; what is left follows in a last wave."""
    return [
        {"name": "canary", "clusters": ["eu-cloud-1"]},
        {"name": "europe and america", "regions": ["eu", "us"]},
    ]
