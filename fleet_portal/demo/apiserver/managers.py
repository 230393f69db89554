"""Who owns which field: managedFields of an object through applies, updates and patches.

An applier owns what it sent and gives up what it no longer sends; an updater owns what it changed.
Changing another manager's field by apply is a conflict unless forced. Entries of managedFields are
keyed by manager, operation, subresource and, for updates, API version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fleet_portal.demo.apiserver.errors import ApiError, apply_conflict
from fleet_portal.demo.apiserver.fieldsets import (
    FieldSet,
    Path,
    compact,
    difference,
    has,
    intersection,
    paths,
    readable,
    union,
    without_below,
)
from fleet_portal.demo.apiserver.merging import (
    compare,
    field_set,
    merge,
    remove,
    with_named_members,
)
from fleet_portal.demo.apiserver.schemas import Type

MAX_UPDATE_MANAGERS = 10
BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NEVER_OWNED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        "f:name": {},
        "f:namespace": {},
        "f:creationTimestamp": {},
        "f:selfLink": {},
        "f:uid": {},
        "f:generation": {},
        "f:managedFields": {},
        "f:resourceVersion": {},
    },
}


@dataclass(frozen=True, slots=True)
class ManagerKey:
    """What makes one entry of managedFields; `api_version` is empty for appliers."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""


@dataclass(slots=True)
class Owned:
    """What one manager owns, when it last wrote, and under which API version."""

    fields: FieldSet
    api_version: str
    time: str | None


Managers = dict[ManagerKey, Owned]


def decode(obj: dict[str, Any]) -> Managers:
    """Return the managers of a stored object."""
    known: Managers = {}
    for entry in obj.get("metadata", {}).get("managedFields") or []:
        applied = entry["operation"] == "Apply"
        key = ManagerKey(
            entry.get("manager", ""),
            entry["operation"],
            "" if applied else entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        known[key] = Owned(entry.get("fieldsV1") or {}, entry["apiVersion"], entry.get("time"))
    return known


def encode(managers: Managers) -> list[dict[str, Any]]:
    """Return managedFields, appliers first, then by time and name as API servers sort them."""
    entries = []
    ordered = sorted(
        managers.items(),
        key=lambda m: (m[0].operation, m[1].time or "", m[0].name, m[0].subresource),
    )
    for key, owned in ordered:
        entry: dict[str, Any] = {"manager": key.name, "operation": key.operation}
        entry["apiVersion"] = owned.api_version
        if owned.time:
            entry["time"] = owned.time
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": owned.fields}
        if key.subresource:
            entry["subresource"] = key.subresource
        entries.append(entry)
    return entries


def _with_managers(obj: dict[str, Any], managers: Managers) -> dict[str, Any]:
    metadata = {k: v for k, v in obj.get("metadata", {}).items() if k != "managedFields"}
    if managers:
        metadata["managedFields"] = encode(managers)
    return {**obj, "metadata": metadata}


def _bare(obj: dict[str, Any]) -> dict[str, Any]:
    return _with_managers(obj, {})


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, through what: `reset` are the paths this endpoint never changes."""

    name: str
    api_version: str
    now: str
    subresource: str = ""
    reset: tuple[Path, ...] = ()

    def key(self, operation: str) -> ManagerKey:
        version = "" if operation == "Apply" else self.api_version
        return ManagerKey(self.name, operation, version, self.subresource)


def record_update(
    kind: Type, live: dict[str, Any] | None, new: dict[str, Any], writer: Writer
) -> dict[str, Any]:
    """Return `new` with its managedFields after an update, patch or create by the writer."""
    sent = new.get("metadata", {}).get("managedFields")
    if sent == [] or sent == [{}]:
        known: Managers = {}
    else:
        known = decode(new) or decode(live or {})
    old, bare = _bare(live) if live else {}, _bare(new)
    changes = compare(kind, old, bare)
    roots = list(writer.reset)
    touched = without_below(union(changes.modified, changes.added), roots)
    gone = without_below(changes.removed, roots)
    own = writer.key("Update")
    remaining: Managers = {}
    for key, owned in known.items():
        fields = difference(owned.fields, gone)
        if key != own:
            fields = difference(fields, touched)
        if fields:
            remaining[key] = Owned(fields, owned.api_version, owned.time)
    taken = difference(touched, _NEVER_OWNED)
    if taken:
        before = remaining[own].fields if own in remaining else {}
        remaining[own] = Owned(union(before, taken), writer.api_version, writer.now)
    return _with_managers(bare, _capped(remaining))


def _capped(managers: Managers) -> Managers:
    """Join the oldest updaters once there are more than an object may carry."""
    updaters = sorted(
        (k for k in managers if k.operation == "Update"),
        key=lambda k: (managers[k].time or "", k.name),
    )
    for key in updaters[: max(0, len(updaters) - MAX_UPDATE_MANAGERS + 1)]:
        if len(updaters) <= MAX_UPDATE_MANAGERS:
            break
        owned = managers.pop(key)
        bucket = ManagerKey("ancient-changes", "Update", owned.api_version)
        before = managers[bucket].fields if bucket in managers else {}
        managers[bucket] = Owned(union(before, owned.fields), owned.api_version, owned.time)
    return managers


def apply(
    kind: Type,
    live: dict[str, Any] | None,
    applied: dict[str, Any],
    writer: Writer,
    force: bool,
) -> dict[str, Any]:
    """Return the object after a server-side apply.

    Raises ApiError 409, naming managers and fields, where another manager's value would change.
    """
    known = decode(live or {})
    old = _bare(live) if live else {}
    if live and not known:
        known = _adopted(kind, old, writer)
    own = writer.key("Apply")
    last = known.get(own)
    merged = merge(kind, old, applied)
    fields = without_below(field_set(kind, applied), list(writer.reset))
    known[own] = Owned(fields, writer.api_version, last.time if last else None)
    if last is not None and last.fields:
        merged = _pruned(kind, merged, known, last.fields)
    changes = compare(kind, old, merged)
    touched = without_below(union(changes.modified, changes.added), list(writer.reset))
    conflicts = {
        key: shared
        for key, owned in known.items()
        if key != own and (shared := intersection(owned.fields, touched))
    }
    conflicts = _not_excused(kind, old, conflicts, writer)
    if conflicts and not force:
        raise _conflict(conflicts, known)
    settled = _settle(known, own, touched, without_below(changes.removed, list(writer.reset)))
    if own in settled and (merged != old or _changed_ownership(last, settled[own])):
        settled[own].time = writer.now
    return _with_managers(_with_note(old, merged, applied, writer), settled)


def _with_note(
    old: dict[str, Any], merged: dict[str, Any], applied: dict[str, Any], writer: Writer
) -> dict[str, Any]:
    """Keep kubectl's note of what was last applied true, where client-side apply left one."""
    if writer.name != "kubectl" or LAST_APPLIED not in _annotations(old):
        return merged
    rest = {k: v for k, v in _annotations(applied).items() if k != LAST_APPLIED}
    bare = {k: v for k, v in applied["metadata"].items() if k != "annotations"}
    whole = {**applied, "metadata": {**bare, **({"annotations": rest} if rest else {})}}
    notes = {**_annotations(merged), LAST_APPLIED: f"{compact(whole)}\n"}
    return {**merged, "metadata": {**merged["metadata"], "annotations": notes}}


def _annotations(obj: dict[str, Any]) -> dict[str, str]:
    return obj.get("metadata", {}).get("annotations") or {}


def _changed_ownership(last: Owned | None, now: Owned) -> bool:
    return last is None or last.fields != now.fields


def _adopted(kind: Type, old: dict[str, Any], writer: Writer) -> Managers:
    fields = difference(compare(kind, {}, old).added, _NEVER_OWNED)
    key = ManagerKey(BEFORE_FIRST_APPLY, "Update", writer.api_version)
    return {key: Owned(fields, writer.api_version, writer.now)}


def _settle(known: Managers, own: ManagerKey, touched: FieldSet, gone: FieldSet) -> Managers:
    settled: Managers = {}
    for key, owned in known.items():
        if key == own:
            fields = difference(owned.fields, _NEVER_OWNED)
        else:
            fields = difference(difference(owned.fields, touched), gone)
        if fields:
            settled[key] = Owned(fields, owned.api_version, owned.time)
    return settled


def _pruned(kind: Type, merged: Any, known: Managers, last: FieldSet) -> Any:
    """Take out what the applier no longer sends, unless another manager has it too."""
    last = with_named_members(kind, last)
    without = remove(kind, merged, last)
    owned: FieldSet = {}
    for other in known.values():
        owned = union(owned, other.fields)
    whole = with_named_members(kind, field_set(kind, merged))
    kept = union(
        with_named_members(kind, field_set(kind, without)), with_named_members(kind, owned)
    )
    pruned = remove(kind, merged, difference(whole, kept))
    # Members nobody owned, or only updaters did, were never this applier's to take away.
    left = with_named_members(kind, field_set(kind, pruned))
    return remove(kind, merged, intersection(difference(whole, left), last))


def _not_excused(
    kind: Type, old: dict[str, Any], conflicts: dict[ManagerKey, FieldSet], writer: Writer
) -> dict[ManagerKey, FieldSet]:
    """Let `kubectl apply --server-side` take over what client-side apply set before."""
    noted = _annotations(old).get(LAST_APPLIED)
    if writer.name != "kubectl" or not noted or not conflicts:
        return conflicts
    last = json.loads(noted)
    changes = compare(kind, last, old)
    excused = field_set(kind, last)
    for changed in (changes.modified, changes.added, changes.removed):
        excused = difference(excused, changed)
    return {key: rest for key, fields in conflicts.items() if (rest := difference(fields, excused))}


def _conflict(conflicts: dict[ManagerKey, FieldSet], known: Managers) -> ApiError:
    causes: list[tuple[str, str]] = []
    for key in sorted(conflicts, key=lambda k: (k.name, k.operation, k.subresource)):
        who = _described(key, known[key])
        causes.extend((who, readable(path)) for path in paths(conflicts[key]))
    return apply_conflict(causes)


def _described(key: ManagerKey, owned: Owned) -> str:
    text = f'"{key.name}"'
    if key.subresource:
        text += f' with subresource "{key.subresource}"'
    if key.operation == "Update":
        text += f" using {owned.api_version}"
    return text


def owners(obj: dict[str, Any], path: Path) -> list[str]:
    """Return the names of the managers that own a path."""
    return sorted(key.name for key, owned in decode(obj).items() if has(owned.fields, path))
