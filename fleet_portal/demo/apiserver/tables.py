"""What `kubectl get` prints: objects as Table rows, with the columns real servers give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fleet_portal.demo.apiserver.kinds import ResourceType

Object = dict[str, Any]
# name, type, priority (1 = only with -o wide), and how to read the cell from (object, now).
Column = tuple[str, str, int, Callable[[Object, datetime], Any]]


def age(stamp: str | None, now: datetime) -> str:
    """Return the time since a stamp as kubectl words it: 45s, 12m, 3h20m, 5d."""
    if not stamp:
        return "<unknown>"
    seconds = int((now - datetime.fromisoformat(stamp.replace("Z", "+00:00"))).total_seconds())
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    if seconds < 600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds % 60 else f"{seconds // 60}m"
    if seconds < 3 * 3600:
        return f"{seconds // 60}m"
    if seconds < 8 * 3600:
        minutes = seconds % 3600 // 60
        return f"{seconds // 3600}h{minutes}m" if minutes else f"{seconds // 3600}h"
    if seconds < 48 * 3600:
        return f"{seconds // 3600}h"
    return f"{seconds // 86400}d"


def at(path: str, default: Any = "") -> Callable[[Object, datetime], Any]:
    """Return a reader of one field."""
    names = path.split(".")

    def read(obj: Object, _now: datetime) -> Any:
        node: Any = obj
        for name in names:
            node = node.get(name) if isinstance(node, dict) else None
        return default if node is None else node

    return read


def count(path: str) -> Callable[[Object, datetime], Any]:
    read = at(path, {})
    return lambda obj, now: len(read(obj, now))


def _pod_ready(pod: Object, _now: datetime) -> str:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    ready = sum(1 for status in statuses if status.get("ready"))
    return f"{ready}/{len(pod['spec']['containers'])}"


def _pod_status(pod: Object, _now: datetime) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    for status in pod.get("status", {}).get("containerStatuses", []):
        reason = status.get("state", {}).get("waiting", {}).get("reason")
        if reason:
            return str(reason)
    return str(pod.get("status", {}).get("phase", "Unknown"))


def _node_status(node: Object, _now: datetime) -> str:
    conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", [])}
    word = "Ready" if conditions.get("Ready") == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node["spec"].get("unschedulable") else word


def _node_roles(node: Object, _now: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels", {})
    return ",".join(sorted(k.removeprefix(prefix) for k in labels if k.startswith(prefix))) or (
        "<none>"
    )


def _service_ports(service: Object, _now: datetime) -> str:
    ports = service["spec"].get("ports", [])
    return ",".join(f"{p['port']}/{p['protocol']}" for p in ports) or "<none>"


def _images(obj: Object, _now: datetime) -> str:
    containers = obj["spec"].get("template", {}).get("spec", {}).get("containers", [])
    return ",".join(c["image"] for c in containers)


def _names(obj: Object, _now: datetime) -> str:
    containers = obj["spec"].get("template", {}).get("spec", {}).get("containers", [])
    return ",".join(c["name"] for c in containers)


def _ratio(done: str, wanted: str) -> Callable[[Object, datetime], str]:
    first, second = at(done, 0), at(wanted, 0)
    return lambda obj, now: f"{first(obj, now)}/{second(obj, now)}"


def _endpoints(obj: Object, _now: datetime) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets", [])
        for address in subset.get("addresses", [])
        for port in subset.get("ports", [])
    ]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more if found else "<none>"


def _slice_endpoints(obj: Object, _now: datetime) -> str:
    found = [a for e in obj.get("endpoints") or [] for a in e.get("addresses", [])]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more if found else "<unset>"


def _last_seen(event: Object, now: datetime) -> str:
    return age(event.get("lastTimestamp") or event["metadata"].get("creationTimestamp"), now)


def _involved(event: Object, _now: datetime) -> str:
    about = event.get("involvedObject", {})
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _hosts(obj: Object, _now: datetime) -> Any:
    return obj.get("spec", {}).get("hosts", [])


NAME: Column = ("Name", "string", 0, at("metadata.name"))
AGE: Column = (
    "Age", "string", 0, lambda obj, now: age(obj["metadata"].get("creationTimestamp"), now)
)  # fmt: skip


def _text(name: str, path: str, default: Any = "<none>", priority: int = 0) -> Column:
    return name, "string", priority, at(path, default)


def _number(name: str, path: str) -> Column:
    return name, "integer", 0, at(path, 0)


_WORKLOAD_WIDE: tuple[Column, ...] = (
    ("Containers", "string", 1, _names),
    ("Images", "string", 1, _images),
)
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "Pod": (
        NAME, ("Ready", "string", 0, _pod_ready), ("Status", "string", 0, _pod_status),
        ("Restarts", "string", 0, lambda *_: "0"), AGE,
        _text("IP", "status.podIP", priority=1), _text("Node", "spec.nodeName", priority=1),
    ),
    "Deployment": (
        NAME, ("Ready", "string", 0, _ratio("status.readyReplicas", "spec.replicas")),
        _number("Up-to-date", "status.updatedReplicas"),
        _number("Available", "status.availableReplicas"), AGE, *_WORKLOAD_WIDE,
    ),
    "ReplicaSet": (
        NAME, _number("Desired", "spec.replicas"), _number("Current", "status.replicas"),
        _number("Ready", "status.readyReplicas"), AGE, *_WORKLOAD_WIDE,
    ),
    "StatefulSet": (
        NAME, ("Ready", "string", 0, _ratio("status.readyReplicas", "spec.replicas")), AGE,
        *_WORKLOAD_WIDE,
    ),
    "DaemonSet": (
        NAME, _number("Desired", "status.desiredNumberScheduled"),
        _number("Current", "status.currentNumberScheduled"),
        _number("Ready", "status.numberReady"), AGE, *_WORKLOAD_WIDE,
    ),
    "Job": (
        NAME, ("Completions", "string", 0, _ratio("status.succeeded", "spec.completions")), AGE,
    ),
    "Service": (
        NAME, _text("Type", "spec.type"), _text("Cluster-IP", "spec.clusterIP"),
        ("External-IP", "string", 0, lambda *_: "<none>"),
        ("Port(s)", "string", 0, _service_ports), AGE,
    ),
    "Node": (
        NAME, ("Status", "string", 0, _node_status), ("Roles", "string", 0, _node_roles), AGE,
        _text("Version", "status.nodeInfo.kubeletVersion"),
    ),
    "Namespace": (NAME, _text("Status", "status.phase"), AGE),
    "ConfigMap": (NAME, ("Data", "string", 0, count("data")), AGE),
    "Secret": (NAME, _text("Type", "type"), ("Data", "string", 0, count("data")), AGE),
    "ServiceAccount": (NAME, ("Secrets", "string", 0, count("secrets")), AGE),
    "Endpoints": (NAME, ("Endpoints", "string", 0, _endpoints), AGE),
    "EndpointSlice": (
        NAME, _text("AddressType", "addressType"),
        ("Endpoints", "string", 0, _slice_endpoints), AGE,
    ),
    "Event": (
        ("Last Seen", "string", 0, _last_seen), _text("Type", "type"), _text("Reason", "reason"),
        ("Object", "string", 0, _involved), _text("Message", "message"),
    ),
    "Lease": (NAME, _text("Holder", "spec.holderIdentity"), AGE),
    "ServiceEntry": (
        NAME, ("Hosts", "string", 0, _hosts), _text("Location", "spec.location"),
        _text("Resolution", "spec.resolution"), AGE,
    ),
    "DestinationRule": (NAME, _text("Host", "spec.host"), AGE),
    "VirtualService": (
        NAME, _text("Gateways", "spec.gateways"), ("Hosts", "string", 0, _hosts), AGE,
    ),
    "WorkloadEntry": (NAME, AGE, _text("Address", "spec.address")),
}  # fmt: skip
_OTHERS: tuple[Column, ...] = (NAME, AGE)


def table(
    resource: ResourceType,
    objects: list[Object],
    list_metadata: Object,
    include: str = "Metadata",
    with_columns: bool = True,
) -> Object:
    """Return objects as a Table; `include` says what each row carries of its object."""
    columns = _COLUMNS.get(resource.kind, _OTHERS)
    now = datetime.now(UTC)
    definitions = [
        {
            "name": name,
            "type": kind,
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": priority,
        }
        for name, kind, priority, _ in columns
    ]
    rows = [
        {"cells": [read(obj, now) for *_, read in columns], "object": _carried(obj, include)}
        for obj in objects
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata,
        "columnDefinitions": definitions if with_columns else [],
        "rows": rows,
    }


def _carried(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    return obj if include == "Object" else partial(obj)


def partial(obj: Object) -> Object:
    """Return the metadata of an object alone, as metadata-only clients ask for it."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
