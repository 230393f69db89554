"""A fleet that answers from memory, in the place of `clusters.kube`."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from mesh.domain import queries


class KubeError(Exception):
    """What a cluster that can't be asked raises."""


class KubeNotFound(KubeError):
    """There is no such object or kind."""


def kube_service(name: str = "orders", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": ports, **spec},
    }


def endpoint_slice(
    ready: int, total: int, name: str = "orders", zone: str = "z1"
) -> dict[str, Any]:
    endpoints = [
        {"addresses": [f"10.0.0.{i}"], "zone": zone, "conditions": {"ready": i < ready}}
        for i in range(total)
    ]
    labels = {"kubernetes.io/service-name": name}
    return {"metadata": {"name": f"{name}-x", "labels": labels}, "endpoints": endpoints}


def user_route(name: str = "canary", host: str = "orders") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"hosts": [host]}}


class FakeKube:
    """Objects by (cluster name, kind), traffic by cluster name; `down` clusters raise KubeError."""

    KubeError = KubeError
    KubeNotFound = KubeNotFound
    OBSERVER = "controller:observer"

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self.samples: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.buckets: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.down: set[str] = set()
        self.without_prometheus: set[str] = set()
        self.without_istio: set[str] = set()
        self.age_seconds = 0.5
        self.scraped_share = "1"
        self.now = 1_700_000_000.0
        self.asked: list[tuple[str, str, str]] = []
        self.held: dict[str, threading.Event] = {}

    def put(self, cluster: str, kind: str, *objects: dict[str, Any]) -> None:
        self.objects[cluster, kind] = list(objects)

    def runs(self, cluster: str, ready: int = 2, total: int = 2, **spec: Any) -> None:
        """Let the cluster run `orders` with these endpoints."""
        self.put(cluster, "Service", kube_service(**spec))
        self.put(cluster, "EndpointSlice", endpoint_slice(ready, total))

    def traffic(self, source: str, destination: str, rate: float, code: str = "200") -> None:
        self.samples[source].append(
            {
                "metric": {
                    "source_cluster": source,
                    "destination_cluster": destination,
                    "destination_service": "orders.shop.fleet.local",
                    "response_code": code,
                },
                "value": [self.now, str(rate)],
            }
        )

    def list_(
        self,
        cluster: Any,
        identity: str,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        label_selector: str = "",
    ) -> list[dict[str, Any]]:
        self.asked.append((cluster.name, identity, kind))
        self._answer_or_raise(cluster.name)
        if kind == "VirtualService" and cluster.name in self.without_istio:
            raise KubeNotFound("the server could not find the requested resource")
        return self.objects[cluster.name, kind]

    def get(
        self, cluster: Any, identity: str, api_version: str, kind: str, namespace: str, name: str
    ) -> dict[str, Any]:
        self.asked.append((cluster.name, identity, kind))
        self._answer_or_raise(cluster.name)
        for item in self.objects[cluster.name, kind]:
            if item["metadata"]["name"] == name:
                return item
        raise KubeNotFound(f'services "{name}" not found')

    def query(self, cluster: Any, promql: str, at: float | None = None) -> list[dict[str, Any]]:
        self.asked.append((cluster.name, "prometheus", promql))
        self._answer_or_raise(cluster.name)
        if cluster.name in self.without_prometheus:
            raise KubeError("no endpoints available for service prometheus")
        if promql == queries.FRESHNESS:
            return self._one(str(self.now - self.age_seconds))
        if promql == queries.SCRAPED_SHARE:
            return self._one(self.scraped_share)
        if promql.startswith(
            "sum by (source_cluster, destination_cluster, destination_service, le"
        ):
            return self.buckets[cluster.name]
        return self.samples[cluster.name]

    def _one(self, value: str) -> list[dict[str, Any]]:
        return [{"metric": {}, "value": [self.now, value]}]

    def _answer_or_raise(self, name: str) -> None:
        if name in self.held:
            self.held[name].wait(30)
        if name in self.down:
            raise KubeError(f"{name} is not reachable")
