"""The checks of a real API server that people meet: names, required fields, immutable fields."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from fleet_portal.demo.apiserver.errors import Cause, invalid
from fleet_portal.demo.apiserver.kinds import ResourceType
from fleet_portal.demo.apiserver.selectors import matches_selector

Object = dict[str, Any]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PATH_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+")
_SUBDOMAIN_SAYS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_SAYS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_PATH_SAYS = "may not contain '/' or '%', and may not be '.' or '..'"


def required(path: str, detail: str = "") -> Cause:
    message = f"Required value: {detail}" if detail else "Required value"
    return Cause("FieldValueRequired", path, message)


def wrong(path: str, value: Any, detail: str) -> Cause:
    shown = json.dumps(value, separators=(",", ":"))
    return Cause("FieldValueInvalid", path, f"Invalid value: {shown}: {detail}")


def check(resource: ResourceType, obj: Object, live: Object | None) -> None:
    """Raise ApiError 422 that names every field that is wrong."""
    causes = [*_names(resource, obj), *_contents(obj), *_immutables(obj, live)]
    if causes:
        raise invalid(resource, obj["metadata"].get("name", ""), causes)


def _names(resource: ResourceType, obj: Object) -> Iterator[Cause]:
    name = obj["metadata"].get("name", "")
    if resource.group == "rbac.authorization.k8s.io":
        pattern, says, most = _PATH_SEGMENT, _PATH_SAYS, 253
    elif resource.kind in ("Namespace", "Service"):
        pattern, says, most = _LABEL, _LABEL_SAYS, 63
    else:
        pattern, says, most = _SUBDOMAIN, _SUBDOMAIN_SAYS, 253
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif not pattern.fullmatch(name):
        yield wrong("metadata.name", name, says)
    elif len(name) > most:
        yield wrong("metadata.name", name, f"must be no more than {most} bytes")


def _contents(obj: Object) -> Iterator[Cause]:
    checker = _CONTENTS.get(obj["kind"])
    if checker:
        yield from checker(obj)


def _workload(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec", {})
    if spec.get("replicas", 0) < 0:
        yield wrong("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    if not spec.get("selector"):
        yield required("spec.selector")
    elif not matches_selector(spec["selector"], labels):
        yield wrong(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    yield from _pod_spec(spec.get("template", {}).get("spec", {}), "spec.template.spec")


def _job(obj: Object) -> Iterator[Cause]:
    template = obj.get("spec", {}).get("template", {}).get("spec", {})
    yield from _pod_spec(template, "spec.template.spec")


def _pod(obj: Object) -> Iterator[Cause]:
    yield from _pod_spec(obj.get("spec", {}), "spec")


def _pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        yield required(f"{path}.containers")
    seen = set()
    for index, container in enumerate(containers):
        where = f"{path}.containers[{index}]"
        name = container.get("name", "")
        if not name:
            yield required(f"{where}.name")
        elif not _LABEL.fullmatch(name):
            yield wrong(f"{where}.name", name, _LABEL_SAYS)
        if name and name in seen:
            yield Cause("FieldValueDuplicate", f"{where}.name", f'Duplicate value: "{name}"')
        seen.add(name)
        if not container.get("image"):
            yield required(f"{where}.image")


def _service(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec", {})
    portless = spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None"
    if not spec.get("ports") and not portless:
        yield required("spec.ports")
    for index, port in enumerate(spec.get("ports", [])):
        where = f"spec.ports[{index}]"
        if not 0 < port.get("port", 0) < 65536:
            detail = "must be between 1 and 65535, inclusive"
            yield wrong(f"{where}.port", port.get("port", 0), detail)
        if len(spec["ports"]) > 1 and not port.get("name"):
            yield required(f"{where}.name")


def _binding(obj: Object) -> Iterator[Cause]:
    if not obj.get("roleRef", {}).get("name"):
        yield required("roleRef.name")


_CONTENTS: dict[str, Callable[[Object], Iterator[Cause]]] = {
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
    "Job": _job,
    "Pod": _pod,
    "Service": _service,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
}
_IMMUTABLE: dict[str, tuple[tuple[str, ...], ...]] = {
    "Deployment": (("spec", "selector"),),
    "ReplicaSet": (("spec", "selector"),),
    "DaemonSet": (("spec", "selector"),),
    "Job": (("spec", "selector"), ("spec", "template")),
    "RoleBinding": (("roleRef",),),
    "ClusterRoleBinding": (("roleRef",),),
}


def _immutables(obj: Object, live: Object | None) -> Iterator[Cause]:
    if live is None:
        return
    for path in _IMMUTABLE.get(obj["kind"], ()):
        before, after = _at(live, path), _at(obj, path)
        if before != after:
            yield wrong(".".join(path), after, "field is immutable")
    address = _at(live, ("spec", "clusterIP")) if obj["kind"] == "Service" else None
    if address and _at(obj, ("spec", "clusterIP")) != address:
        yield wrong("spec.clusterIP", _at(obj, ("spec", "clusterIP")) or "", "field is immutable")


def _at(obj: Object, path: tuple[str, ...]) -> Any:
    node: Any = obj
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node
