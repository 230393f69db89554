"""Services: which Pods stand behind each, as EndpointSlices and as Endpoints."""

from __future__ import annotations

from typing import Any

from fleet_portal.demo.apiserver.store import Object
from fleet_portal.demo.controllers.base import (
    MANAGER,
    Context,
    is_ending,
    is_ready,
    kind,
    owner_reference,
)

SERVICES = kind("", "Service")
PODS = kind("", "Pod")
NODES = kind("", "Node")
ENDPOINTS = kind("", "Endpoints")
SLICES = kind("discovery.k8s.io", "EndpointSlice")
ZONE = "topology.kubernetes.io/zone"


def reconcile(context: Context, namespace: str, name: str) -> None:
    """Write the slice and the Endpoints of a Service that selects Pods."""
    service = context.store.get(SERVICES, namespace, name)
    if service is None or is_ending(service) or not service["spec"].get("selector"):
        return
    pods = [p for p in context.store.all(PODS, namespace) if _is_behind(service, p)]
    _put(context, SLICES, _slice(context, service, pods))
    _put(context, ENDPOINTS, _endpoints(service, pods))


def selecting(context: Context, namespace: str, labels: dict[str, str]) -> list[str]:
    """Return the names of the Services that select Pods with these labels."""
    return [
        s["metadata"]["name"]
        for s in context.store.all(SERVICES, namespace)
        if s["spec"].get("selector") and s["spec"]["selector"].items() <= labels.items()
    ]


def _is_behind(service: Object, pod: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    selected = service["spec"]["selector"].items() <= labels.items()
    return selected and bool(pod["status"].get("podIP")) and pod["status"]["phase"] == "Running"


def target_port(port: Object, pods: list[Object]) -> int:
    """Return the number behind a Service port, which may name a container's port."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for declared in container.get("ports", []):
                if declared.get("name") == target:
                    return int(declared["containerPort"])
    return int(port["port"])


def _slice(context: Context, service: Object, pods: list[Object]) -> Object:
    metadata = service["metadata"]
    ports = [
        {"name": p.get("name", ""), "port": target_port(p, pods), "protocol": p["protocol"]}
        for p in service["spec"].get("ports", [])
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name']}-slice",
            "namespace": metadata["namespace"],
            "labels": {
                **(metadata.get("labels") or {}),
                "kubernetes.io/service-name": metadata["name"],
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(context, pod) for pod in pods],
        "ports": ports,
    }


def _endpoint(context: Context, pod: Object) -> Object:
    node = context.store.get(NODES, "", pod["spec"]["nodeName"])
    labels = node["metadata"].get("labels", {}) if node else {}
    ready = is_ready(pod)
    endpoint: dict[str, Any] = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": is_ending(pod)},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
    }
    if labels.get(ZONE):
        endpoint["zone"] = labels[ZONE]
    return endpoint


def _reference(pod: Object) -> Object:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }


def _endpoints(service: Object, pods: list[Object]) -> Object:
    metadata = service["metadata"]
    ports = []
    for port in service["spec"].get("ports", []):
        entry = {"port": target_port(port, pods), "protocol": port["protocol"]}
        ports.append(entry | ({"name": port["name"]} if port.get("name") else {}))
    groups: Object = {"addresses": [], "notReadyAddresses": []}
    for pod in pods:
        address = {
            "ip": pod["status"]["podIP"],
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": _reference(pod),
        }
        groups["addresses" if is_ready(pod) else "notReadyAddresses"].append(address)
    subset = {k: v for k, v in groups.items() if v} | {"ports": ports}
    obj: Object = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"},
        },
    }
    if pods:
        obj["subsets"] = [subset]
    return obj


def _put(context: Context, resource: Any, wanted: Object) -> None:
    metadata = wanted["metadata"]
    live = context.store.get(resource, metadata["namespace"], metadata["name"])
    if live is None:
        context.objects.create(resource, wanted, MANAGER)
    elif {k: v for k, v in live.items() if k != "metadata"} != {
        k: v for k, v in wanted.items() if k != "metadata"
    }:
        context.objects.update(resource, wanted, MANAGER)
