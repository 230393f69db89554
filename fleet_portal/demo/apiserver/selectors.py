"""Label and field selectors as they come in a query."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleet_portal.demo.apiserver.errors import bad_request
from fleet_portal.demo.apiserver.kinds import ResourceType

Matcher = Callable[[dict[str, Any]], bool]

_REQUIREMENT = re.compile(
    r"""\s*(?:
        !\s*(?P<absent>[\w./-]+)
      | (?P<key>[\w./-]+)\s*(?:
            (?P<op>==|=|!=)\s*(?P<value>[\w.-]*)
          | (?P<set>in|notin)\s*\(\s*(?P<values>[^)]*)\)
        )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)
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


@dataclass(frozen=True, slots=True)
class _Requirement:
    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def accepts(self, labels: dict[str, str]) -> bool:
        if self.operator == "exists":
            return self.key in labels
        if self.operator == "absent":
            return self.key not in labels
        inside = labels.get(self.key) in self.values if self.key in labels else False
        return inside if self.operator == "in" else not inside


def _parse(text: str) -> list[_Requirement]:
    requirements, position = [], 0
    while position < len(text):
        match = _REQUIREMENT.match(text, position)
        if match is None or match.end() == position:
            raise bad_request(f"unable to parse requirement: {text!r}")
        position = match.end()
        requirements.append(_requirement(match))
    return requirements


def _requirement(match: re.Match[str]) -> _Requirement:
    if match["absent"]:
        return _Requirement(match["absent"], "absent")
    if match["op"]:
        operator = "notin" if match["op"] == "!=" else "in"
        return _Requirement(match["key"], operator, frozenset({match["value"]}))
    if match["set"]:
        values = frozenset(v.strip() for v in match["values"].split(","))
        return _Requirement(match["key"], match["set"], values)
    return _Requirement(match["key"], "exists")


def label_matcher(text: str) -> Matcher | None:
    """Return a test for a labelSelector parameter, None for an empty one."""
    if not text:
        return None
    requirements = _parse(text)

    def matches(obj: dict[str, Any]) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(requirement.accepts(labels) for requirement in requirements)

    return matches


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
            raise bad_request(f"field label not supported: {match[1]}")
        conditions.append((match[1].split("."), match[2] != "!=", match[3]))

    def matches(obj: dict[str, Any]) -> bool:
        return all((_text_at(obj, path) == value) is wanted for path, wanted, value in conditions)

    return matches


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
    """Return whether a LabelSelector object (matchLabels, matchExpressions) accepts labels."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    return all(
        _Requirement(
            part["key"], operators[part["operator"]], frozenset(part.get("values") or ())
        ).accepts(labels)
        for part in selector.get("matchExpressions") or []
    )
