"""Label and field selectors as they come in a query."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from clusters.domain.objects import parse_selector, requirements_of, selects
from fleet_portal.demo.apiserver.errors import ApiError, bad_request
from fleet_portal.demo.apiserver.kinds import ResourceType

Matcher = Callable[[dict[str, Any]], bool]

# Fields beside metadata.name and metadata.namespace that may select, by resource.
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.fieldPath",
        "reason", "type", "source", "reportingComponent",
    ),
    "secrets": ("type",),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "jobs": ("status.successful",),
    "services": ("spec.clusterIP", "spec.type"),
}  # fmt: skip


def label_matcher(text: str) -> Matcher | None:
    """Return a test for a labelSelector parameter, None for an empty one."""
    if not text:
        return None
    try:
        requirements = parse_selector(text)
    except ValueError as error:
        raise bad_request(f"unable to parse requirement: {error}") from error
    return lambda obj: selects(requirements, obj["metadata"].get("labels") or {})


def field_matcher(resource: ResourceType, text: str) -> Matcher | None:
    """Return a test for a fieldSelector parameter; 400 for a field that can't select."""
    if not text:
        return None
    allowed = ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.plural, ()))
    conditions = []
    for part in text.split(","):
        match = re.fullmatch(r"([\w.]+)(==|=|!=)(.*)", part)
        if match is None:
            raise bad_request(f"invalid selector: {text!r}; can't understand {part!r}")
        if match[1] not in allowed:
            raise _unknown_field(resource, match[1])
        conditions.append((match[1].split("."), match[2] != "!=", match[3]))

    def matches(obj: dict[str, Any]) -> bool:
        return all((_text_at(obj, path) == value) is wanted for path, wanted, value in conditions)

    return matches


def _unknown_field(resource: ResourceType, name: str) -> ApiError:
    if resource.plural in _FIELDS:
        return bad_request(f"field label not supported: {name}")
    return bad_request(
        f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )


def _text_at(obj: dict[str, Any], path: list[str]) -> str:
    node: Any = obj
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    if node is None or node is False:
        return "false" if path[-1] == "unschedulable" else ""
    return "true" if node is True else str(node)


def both(first: Matcher | None, second: Matcher | None) -> Matcher | None:
    if first is None or second is None:
        return first or second
    return lambda obj: first(obj) and second(obj)


def matches_selector(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Return whether a LabelSelector object accepts labels; an absent one accepts none."""
    return selector is not None and selects(requirements_of(selector), labels)
