"""Whose object it is, how ours are marked, and which field manager writes what. Pure.

Two managers: `fleet-portal` owns what the revision says, `fleet-portal-replicas` owns replica
counts, so that scaling never needs a revision. Conflicts are forced only on objects this agent
created; an object that was there before is left alone unless its owner put our labels on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from clusters.domain.objects import KubeObject, ObjectRef
from deployments.domain.drift import owned_fields, owns

SPEC_MANAGER = "fleet-portal"
REPLICAS_MANAGER = "fleet-portal-replicas"
OUR_MANAGERS = frozenset({SPEC_MANAGER, REPLICAS_MANAGER})

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "fleet-portal"
PROJECT_LABEL = "fleet-portal.io/project"
APPLICATION_LABEL = "fleet-portal.io/application"
REVISION_ANNOTATION = "fleet-portal.io/revision"
PRUNE_ANNOTATION = "fleet-portal.io/prune"  # "never": kept when no longer wanted

# What only the API server may set; sent back to it they are errors (kubernetes#67610).
_SERVER_FIELDS = (
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation",
    "managedFields", "resourceVersion", "selfLink", "uid",
)  # fmt: skip
_CONFLICT = re.compile(r'conflict with "([^"]+)"')


class Standing(Enum):
    """Whose a live object is, seen from one application."""

    ABSENT = "absent"
    CREATED = "created"  # ours, made by us: conflicts may be forced
    ADOPTED = "adopted"  # ours because its owner put our labels on it: never forced
    OTHER_APPLICATION = "other application"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Owner:
    """The project and application that an object is marked with."""

    project: str
    application: str


def stamp(obj: Mapping[str, Any], owner: Owner, revision: int) -> KubeObject:
    """Return the object as it is applied: marked as ours, without what the API server sets.

    The portal's dry run uses the same function, so that a preview shows what will be there.
    """
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _SERVER_FIELDS}
    labels = {**(metadata.get("labels") or {}), **marks(owner)}
    notes = {**(metadata.get("annotations") or {}), REVISION_ANNOTATION: str(revision)}
    stamped = {k: v for k, v in obj.items() if k != "status"}
    return {**stamped, "metadata": {**metadata, "labels": labels, "annotations": notes}}


def marks(owner: Owner) -> dict[str, str]:
    """Return the labels that every object of an application carries."""
    return {
        MANAGED_BY_LABEL: MANAGED_BY,
        PROJECT_LABEL: owner.project,
        APPLICATION_LABEL: owner.application,
    }


def owner_of(labels: Mapping[str, str]) -> Owner | None:
    """Return whose labels these are; None unless all three marks are there."""
    if labels.get(MANAGED_BY_LABEL) != MANAGED_BY:
        return None
    project, application = labels.get(PROJECT_LABEL), labels.get(APPLICATION_LABEL)
    return Owner(project, application) if project and application else None


def standing_of(
    live: Mapping[str, Any] | None, owner: Owner, *, recorded_uid: str = "", created: bool = False
) -> Standing:
    """Return whose a live object is. `recorded_uid`, `created`: what the inventory says of it.

    Without a record (lost with a crash), the labels decide, and it counts as created when nobody
    but our manager owns them.
    """
    if live is None:
        return Standing.ABSENT
    metadata = live.get("metadata") or {}
    found = owner_of(metadata.get("labels") or {})
    if found is None:
        return Standing.FOREIGN
    if found != owner:
        return Standing.OTHER_APPLICATION
    if recorded_uid and recorded_uid == metadata.get("uid"):
        return Standing.CREATED if created else Standing.ADOPTED
    return Standing.CREATED if marked_by_us_alone(live) else Standing.ADOPTED


def may_force(standing: Standing) -> bool:
    """Say whether fields of other managers may be overwritten."""
    return standing in (Standing.ABSENT, Standing.CREATED)


def with_replicas(obj: KubeObject, count: int) -> KubeObject:
    """Return the object with `spec.replicas`: sent once at creation, so the default never shows."""
    return {**obj, "spec": {**(obj.get("spec") or {}), "replicas": count}}


def replicas_of(ref: ObjectRef, count: int, uid: str = "") -> KubeObject:
    """Return what the replicas manager applies: identity and count, nothing else.

    With `uid` it never makes an object anew that was deleted a moment ago.
    """
    metadata = {"name": ref.id.name}
    if uid:
        metadata["uid"] = uid
    if ref.id.namespace:
        metadata["namespace"] = ref.id.namespace
    return {
        "apiVersion": ref.api_version,
        "kind": ref.id.kind,
        "metadata": metadata,
        "spec": {"replicas": count},
    }


def managers_in_conflict(messages: Iterable[str]) -> list[str]:
    """Return the field managers that a conflict answer names, without our own."""
    found = {name for message in messages for name in _CONFLICT.findall(message)}
    return sorted(found - OUR_MANAGERS)


def managers_of(live: Mapping[str, Any]) -> list[str]:
    """Return the other managers of an object, most recent writer first."""
    entries = (live.get("metadata") or {}).get("managedFields") or []
    others = [entry for entry in entries if entry.get("manager") not in OUR_MANAGERS]
    others.sort(key=lambda entry: str(entry.get("time") or ""), reverse=True)
    return list(dict.fromkeys(str(entry.get("manager")) for entry in others))


def marked_by_us_alone(live: Mapping[str, Any]) -> bool:
    """Say whether our manager, and nobody else, put the project's label on an object."""
    path = ("f:metadata", "f:labels", f"f:{PROJECT_LABEL}")
    if not owns(owned_fields(live, SPEC_MANAGER), path):
        return False
    entries = (live.get("metadata") or {}).get("managedFields") or []
    others = [entry for entry in entries if entry.get("manager") not in OUR_MANAGERS]
    return not any(owns(entry.get("fieldsV1") or {}, path) for entry in others)
