"""Change manifests for some clusters by typed operations: image, env, replicas, resources. Pure.

Precedence: an override that names clusters wins over one by region or labels; then the higher
priority wins. Two of the same rank that touch the same field are an error, never a coin toss.
An operation becomes changes: one object, one container, one field, so that both rules and the
preview can talk about fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from clusters.domain.objects import parse_quantity
from deployments.domain.content import MAX_REPLICAS, SCALED_KINDS, Content, ContentObject
from deployments.domain.content import with_object as _with_object
from deployments.domain.images import PARTS, read_image
from deployments.domain.placement import Selection
from deployments.domain.sentences import Refusal, Sentence
from fleet_portal.common.text import N_

FIELD = "overrides"
OPERATIONS = ("image", "env", "replicas", "resources")
_MEMBERS = {
    "image": {"registry", "repository", "tag", "digest"},
    "env": {"variable", "value"},
    "replicas": {"replicas"},
    "resources": {"requests", "limits"},
}
_TEMPLATES = {
    ("apps", "Deployment"): ("spec", "template", "spec"),
    ("apps", "StatefulSet"): ("spec", "template", "spec"),
    ("apps", "DaemonSet"): ("spec", "template", "spec"),
    ("apps", "ReplicaSet"): ("spec", "template", "spec"),
    ("", "ReplicationController"): ("spec", "template", "spec"),
    ("batch", "Job"): ("spec", "template", "spec"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
    ("", "Pod"): ("spec",),
}


@dataclass(frozen=True)
class Operation:
    """One typed change. `workload`, `container`: empty means every one.

    `values` by `op`: image {part: text}; env {variable: text, or None to remove it}; replicas
    {"replicas": n}; resources {"requests.cpu": quantity, …}.
    """

    op: str
    workload: str
    container: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Override:
    """Operations for the clusters that `selection` picks."""

    name: str
    priority: int
    selection: Selection
    operations: tuple[Operation, ...]

    @property
    def rank(self) -> tuple[int, int]:
        return (1 if self.selection.clusters else 0, self.priority)


@dataclass(frozen=True)
class Change:
    """One field of one object (and container) set to a value; None removes it."""

    object_index: int
    container: str
    path: str
    value: Any
    override: str = field(compare=False, default="")


def read_operations(given: Any, name: str) -> tuple[Operation, ...]:
    """Return the operations of the override `name`; raise Refusal on anything unclear."""
    if not isinstance(given, list) or not given:
        raise Refusal(
            N_("Override %(name)s changes nothing: give it at least one operation."),
            FIELD, name=name,
        )  # fmt: skip
    return tuple(_operation(item, name) for item in given)


def _operation(given: Any, name: str) -> Operation:
    op = given.get("op") if isinstance(given, Mapping) else None
    if op not in OPERATIONS:
        raise Refusal(
            N_("Override %(name)s: “%(op)s” is no operation; there are %(known)s."),
            FIELD, name=name, op=str(op)[:40], known=", ".join(OPERATIONS),
        )  # fmt: skip
    unknown = set(given) - _MEMBERS[op] - {"op", "workload", "container"}
    texts = [given.get("workload", ""), given.get("container", "")]
    if unknown or not all(isinstance(text, str) for text in texts):
        raise Refusal(
            N_("Override %(name)s: %(op)s does not know “%(member)s”."),
            FIELD, name=name, op=op, member=", ".join(sorted(map(str, unknown)))[:80],
        )  # fmt: skip
    values = _READERS[op](given)
    if not values:
        members = ", ".join(sorted(_MEMBERS[op]))
        raise Refusal(
            N_("Override %(name)s: %(op)s needs a valid value for %(members)s."),
            FIELD, name=name, op=op, members=members,
        )  # fmt: skip
    return Operation(op, texts[0], texts[1], values)


def _image(given: Mapping[str, Any]) -> dict[str, Any]:
    values = {part: given[part] for part in PARTS if given.get(part)}
    good = all(isinstance(v, str) and PARTS[part].fullmatch(v) for part, v in values.items())
    return values if good else {}


def _env(given: Mapping[str, Any]) -> dict[str, Any]:
    variable, value = given.get("variable"), given.get("value")
    good = isinstance(variable, str) and variable and "=" not in variable and len(variable) < 254
    if not good or not (value is None or isinstance(value, str)):
        return {}
    return {str(variable): value}


def _replicas(given: Mapping[str, Any]) -> dict[str, Any]:
    count = given.get("replicas")
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MAX_REPLICAS:
        return {}
    return {"replicas": count}


def _resources(given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in ("requests", "limits"):
        amounts = given.get(part) or {}
        if not isinstance(amounts, Mapping):
            return {}
        for resource, amount in amounts.items():
            try:
                if isinstance(amount, bool) or parse_quantity(amount) < 0:
                    return {}
            except ValueError:
                return {}
            values[f"{part}.{resource}"] = str(amount)
    return values


_READERS = {"image": _image, "env": _env, "replicas": _replicas, "resources": _resources}


def changes_of(override: Override, content: Content) -> list[Change]:
    """Return what the override changes; raise Refusal where one hits nothing."""
    changes: list[Change] = []
    for operation in override.operations:
        hit = list(_hits(operation, content, override.name))
        if not hit:
            raise _missed(operation, override.name, content)
        changes += hit
    return changes


def missed_operations(override: Override, content: Content) -> list[Sentence]:
    """Return a sentence for each operation that hits nothing in the content."""
    missed = []
    for operation in override.operations:
        if not list(_hits(operation, content, override.name)):
            missed.append(_missed(operation, override.name, content).sentence)
    return missed


def without_missed(override: Override, content: Content) -> Override:
    """Return the override with only the operations that hit something."""
    kept = tuple(op for op in override.operations if list(_hits(op, content, override.name)))
    return Override(override.name, override.priority, override.selection, kept)


def _hits(operation: Operation, content: Content, name: str) -> Iterable[Change]:
    for index, item in enumerate(content.objects):
        identity = item.ref.id
        kind = (identity.group, identity.kind)
        if operation.workload and operation.workload != identity.name:
            continue
        if operation.op == "replicas":
            if kind in SCALED_KINDS:
                count = operation.values["replicas"]
                yield Change(index, "", "spec.replicas", count, name)
            continue
        for container in _containers(item.obj, kind):
            if operation.container in ("", container.get("name")):
                for path, value in operation.values.items():
                    label = str(container.get("name"))
                    yield Change(index, label, f"{operation.op}.{path}", value, name)


def _containers(obj: Mapping[str, Any], kind: tuple[str, str]) -> list[dict[str, Any]]:
    spec: Any = obj
    for step in _TEMPLATES.get(kind, ("\0",)):
        spec = spec.get(step) if isinstance(spec, Mapping) else None
    containers = spec.get("containers") if isinstance(spec, Mapping) else None
    if not isinstance(containers, list):
        return []
    return [container for container in containers if isinstance(container, dict)]


def _missed(operation: Operation, name: str, content: Content) -> Refusal:
    have = sorted(
        f"{item.ref.id.name}/{container.get('name')}"
        for item in content.objects
        for container in _containers(item.obj, (item.ref.id.group, item.ref.id.kind))
    )
    place = "/".join(part for part in (operation.workload, operation.container) if part)
    return Refusal(
        N_("Override %(name)s: %(op)s for “%(place)s” hits nothing. There are: %(have)s."),
        FIELD, name=name, op=operation.op, place=place or "*",
        have=", ".join(have[:8]) or "–",
    )  # fmt: skip


def resolve(overrides: Sequence[Override], content: Content) -> list[Change]:
    """Return the changes of all overrides for one cluster, weakest first.

    Raises Refusal when two of the same rank touch the same field.
    """
    changes: list[Change] = []
    owners: dict[tuple[tuple[int, int], int, str, str], str] = {}
    for override in sorted(overrides, key=lambda item: (item.rank, item.name)):
        for change in changes_of(override, content):
            place = (override.rank, change.object_index, change.container, change.path)
            other = owners.setdefault(place, override.name)
            if other != override.name:
                raise _conflict(other, override.name, change, content)
            changes.append(change)
    return changes


def _conflict(first: str, second: str, change: Change, content: Content) -> Refusal:
    identity = content.objects[change.object_index].ref.id
    return Refusal(
        N_(
            "Overrides %(first)s and %(second)s have the same priority and both set %(path)s of"
            " %(kind)s %(name)s: give one a higher priority."
        ),
        FIELD, first=first, second=second, path=change.path, kind=identity.kind,
        name=identity.name,
    )  # fmt: skip


def apply_changes(
    content: Content, changes: Iterable[Change], replicas: Mapping[str, int]
) -> tuple[tuple[ContentObject, ...], dict[str, int]]:
    """Return the changed objects and replica counts (object id -> count).

    `replicas` are the application's own counts. Objects without a change are shared, not copied.
    """
    counts = {
        str(item.ref.id): replicas[str(item.ref.id)]
        for item in content.objects
        if str(item.ref.id) in replicas
    }
    copies: dict[int, dict[str, Any]] = {}
    for change in changes:
        item = content.objects[change.object_index]
        if change.path == "spec.replicas":
            counts[str(item.ref.id)] = change.value
            continue
        if change.object_index not in copies:
            copies[change.object_index] = deepcopy(dict(item.obj))
        kind = (item.ref.id.group, item.ref.id.kind)
        for container in _containers(copies[change.object_index], kind):
            if container.get("name") == change.container:
                _set(container, change)
    objects = list(content.objects)
    for index, obj in copies.items():
        objects[index] = _with_object(objects[index], obj)
    return tuple(objects), counts


def _set(container: dict[str, Any], change: Change) -> None:
    op, _, path = change.path.partition(".")
    if op == "image":
        _set_image(container, path, change)
    elif op == "env":
        _set_env(container, path, change.value)
    else:
        part, _, resource = path.partition(".")
        resources = container.setdefault("resources", {})
        resources.setdefault(part, {})[resource] = change.value


def _set_image(container: dict[str, Any], part: str, change: Change) -> None:
    try:
        image = read_image(str(container.get("image") or ""))
    except ValueError:
        raise Refusal(
            N_("Override %(name)s: container %(container)s has no readable image to change."),
            FIELD, name=change.override, container=change.container,
        ) from None  # fmt: skip
    container["image"] = str(image.with_part(part, change.value))


def _set_env(container: dict[str, Any], variable: str, value: str | None) -> None:
    entries = [entry for entry in container.get("env") or [] if isinstance(entry, dict)]
    kept = [entry for entry in entries if entry.get("name") != variable]
    if value is None:
        container["env"] = kept
        return
    position = next((i for i, e in enumerate(entries) if e.get("name") == variable), len(kept))
    kept.insert(position, {"name": variable, "value": value})
    container["env"] = kept
