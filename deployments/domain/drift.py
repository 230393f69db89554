"""What somebody else changed on an object of ours. Pure.

Only fields that we own count, as the API server itself recorded them in managedFields when it
accepted our apply, with the values it stored then (after defaulting, normalising and mutating
webhooks). That pair is the *baseline*. So `1000m` stored as `1`, a default, or a sidecar added by
a webhook never look like drift, and a field that we do not set is somebody else's business.
List items are found by the API server's own keys, whatever the kind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FieldPath = tuple[str, ...]
Fields = Mapping[str, Any]

REPLICAS: FieldPath = ("f:spec", "f:replicas")
DELETED = "deleted"  # stands for the path where the whole object is gone

# Repairs: the same field three times without ten quiet minutes between is a fight.
CONTESTED_AFTER = 3
QUIET_SECONDS = 600.0
CONTESTED_WAIT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 3600.0
_FIRST_WAITS = (0.0, 1.0, 5.0)

_LONG = 64
_ABSENT = object()


@dataclass(frozen=True)
class Baseline:
    """The fields one manager owns and the values they had (long ones as a digest)."""

    manager: str
    values: Mapping[FieldPath, object]


@dataclass(frozen=True)
class Drift:
    """One changed field: where, and which manager changed it (empty: not known)."""

    path: str
    manager: str


@dataclass(frozen=True)
class Pace:
    """How often one field (or a deleted object) was put right, and when last."""

    repairs: int = 0
    last_at: float = 0.0

    def due_at(self, now: float) -> float:
        """Return when the next repair is due: the first ones at once, then ever later."""
        return self.last_at + self._wait() if self._counts(now) else now

    def is_contested(self, now: float) -> bool:
        """Say whether somebody changes it again and again."""
        return self.repairs >= CONTESTED_AFTER and self._counts(now)

    def after_repair(self, now: float) -> Pace:
        """Return the pace once it has been put right again."""
        return Pace(self.repairs + 1 if self._counts(now) else 1, now)

    def _wait(self) -> float:
        if self.repairs < CONTESTED_AFTER:
            return _FIRST_WAITS[self.repairs]
        doublings = min(self.repairs - CONTESTED_AFTER, 16)
        return min(LONGEST_WAIT_SECONDS, CONTESTED_WAIT_SECONDS * 2.0**doublings)

    def _counts(self, now: float) -> bool:
        return now - self.last_at < QUIET_SECONDS + self._wait()


def owned_fields(live: Mapping[str, Any], manager: str) -> Fields:
    """Return the fieldsV1 tree of what `manager` applied; empty if it applied nothing."""
    for entry in (live.get("metadata") or {}).get("managedFields") or []:
        if (
            entry.get("manager") == manager
            and entry.get("operation") == "Apply"
            and not entry.get("subresource")
        ):
            return entry.get("fieldsV1") or {}
    return {}


def owns(fields: Fields, path: FieldPath) -> bool:
    """Say whether a fieldsV1 tree holds `path` or something it is a part of."""
    for step in path:
        if step not in fields:
            return False
        fields = fields[step]
        if not fields:
            return True
    return True


def baseline_of(
    live: Mapping[str, Any], manager: str, left_to_others: tuple[FieldPath, ...] = ()
) -> Baseline:
    """Return the baseline in an object that the API server just answered to an apply.

    `left_to_others`: fields that are owned for now but judged by another manager's baseline.
    """
    leaves = _leaves(owned_fields(live, manager), live, ())
    ignored = (*left_to_others, *_ignored(live))
    return Baseline(
        manager, {path: value for path, value in leaves if not _is_ignored(path, ignored)}
    )


def find_drift(baseline: Baseline, live: Mapping[str, Any]) -> list[Drift]:
    """Return what differs now from the baseline, in the order of the paths."""
    changed = [path for path, value in baseline.values.items() if _value_at(live, path) != value]
    return [Drift(readable(path), _changed_by(live, path, baseline.manager)) for path in changed]


def readable(path: FieldPath) -> str:
    """Return a path for people: `spec.template.spec.containers[name=app].image`."""
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            plain = "." not in rest and "/" not in rest
            text += (f".{rest}" if text else rest) if plain else f"[{rest}]"
        elif kind == "k":
            keys = json.loads(rest)
            text += "[" + ",".join(f"{key}={value}" for key, value in keys.items()) + "]"
        elif kind == "v":
            text += f"[{json.loads(rest)}]"
        elif kind == "i":
            text += f"[{rest}]"
    return text


def _leaves(fields: Fields, value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, object]]:
    for step, below in fields.items():
        if step == ".":
            continue
        found = _step_into(value, step)
        here = (*path, step)
        if not below:
            yield here, _brief(found)
        elif set(below) == {"."}:  # owned as being there, whatever is in it
            yield (*here, "."), _brief(_step_into(found, "."))
        else:
            yield from _leaves(below, found, here)


def _value_at(live: Any, path: FieldPath) -> object:
    value = live
    for step in path:
        value = _step_into(value, step)
    return _brief(value)


def _step_into(value: Any, step: str) -> Any:
    if step == ".":
        return _ABSENT if value is _ABSENT else True
    kind, _, rest = step.partition(":")
    if kind == "f":
        return value.get(rest, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    if not isinstance(value, list):
        return _ABSENT
    if kind == "k":
        keys = json.loads(rest)
        matches = (
            item
            for item in value
            if isinstance(item, Mapping) and all(item.get(k) == v for k, v in keys.items())
        )
        return next(matches, _ABSENT)
    if kind == "v":
        wanted = json.loads(rest)
        return wanted if wanted in value else _ABSENT
    return value[int(rest)] if int(rest) < len(value) else _ABSENT


def _brief(value: Any) -> object:
    """Return a small comparable stand-in: values up to 1 MiB must not be held twice."""
    if value is _ABSENT:
        return None
    text = json.dumps(value, sort_keys=True)
    if len(text) <= _LONG:
        return text
    return hashlib.sha256(text.encode()).digest()


def _changed_by(live: Mapping[str, Any], path: FieldPath, our_manager: str) -> str:
    entries = (live.get("metadata") or {}).get("managedFields") or []
    others = [
        entry
        for entry in entries
        if not (entry.get("manager") == our_manager and entry.get("operation") == "Apply")
    ]
    others.sort(key=lambda entry: str(entry.get("time") or ""), reverse=True)
    for entry in others:
        if owns(entry.get("fieldsV1") or {}, path):
            return str(entry.get("manager"))
    # A removed field has no owner any more: the latest writer is the likely one.
    return str(others[0].get("manager")) if others else ""


def _ignored(live: Mapping[str, Any]) -> tuple[FieldPath, ...]:
    """Return what controllers of the cluster are meant to fill in, though we may have sent it."""
    if live.get("kind") == "ClusterRole" and live.get("aggregationRule"):
        return (("f:rules",),)
    return ()


def _is_ignored(path: FieldPath, prefixes: tuple[FieldPath, ...]) -> bool:
    return path[-1] == "f:caBundle" or any(path[: len(p)] == p for p in prefixes)
