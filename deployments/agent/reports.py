"""Say how a project stands: one row per application, and a digest of them all. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from clusters.domain.objects import ObjectId
from deployments.agent.application import ApplicationWorker
from deployments.agent.item import Item
from deployments.domain.words import (
    HEALTH_FROM_BEST,
    SYNC_FROM_BEST,
    Health,
    Reason,
    Sync,
    worst_health,
    worst_sync,
)

MESSAGE_CHARACTERS = 256
MAX_DRIFT_PATHS = 20


def row_of(worker: ApplicationWorker, leftovers: Mapping[ObjectId, str]) -> dict[str, Any]:
    """Return an application's row. `leftovers`: objects no longer wanted -> why still there.

    What is left over does not make an application less in sync: all it wants may be there.
    """
    items = list(worker.items.values())
    sync = worst_sync(item.decision.sync for item in items)
    reason, message = _explanation(items, leftovers)
    repaired = [item.repaired_at for item in items if item.repaired_at is not None]
    return {
        "application": worker.wanted.name,
        "digest": worker.wanted.digest,
        "revision": worker.wanted.revision,
        "sync": sync.value,
        "health": worst_health(item.verdict.health for item in items).value,
        "ready": sum(item.verdict.ready for item in items),
        "desired": sum(item.verdict.desired for item in items),
        "reason": reason.value,
        "message": clip(message),
        "healthy_since": worker.healthy_since,
        "objects": [*map(_object_row, items), *_leftover_rows(leftovers)],
        "drift_repaired_at": max(repaired, default=None),
    }


def row_of_removed(application: str, leftovers: Mapping[ObjectId, str]) -> dict[str, Any]:
    """Return the row of an application that is wanted no more and not wholly gone yet."""
    held = {identity: why for identity, why in leftovers.items() if why}
    return {
        "application": application,
        "digest": "",
        "revision": 0,
        "sync": (Sync.ORPHANED if held else Sync.APPLYING).value,
        "health": Health.UNKNOWN.value,
        "ready": 0,
        "desired": 0,
        "reason": (Reason.PRUNE_HELD if held else Reason.NONE).value,
        "message": clip(_first_held(held)),
        "healthy_since": None,
        "objects": _leftover_rows(leftovers),
        "drift_repaired_at": None,
    }


def report_of(
    project: str, epoch: int, sequence: int, rows: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    """Return the report of a project, with the digest of its rows as `root`."""
    listed = sorted(rows, key=lambda row: str(row["application"]))
    text = json.dumps([epoch, sequence, listed], sort_keys=True, separators=(",", ":"))
    return {
        "kind": "targets",
        "project": project,
        "epoch": epoch,
        "sequence": sequence,
        "root": "sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        "rows": listed,
    }


def clip(text: str) -> str:
    """Return a message short enough for a row."""
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…"


def _explanation(items: list[Item], leftovers: Mapping[ObjectId, str]) -> tuple[Reason, str]:
    """Return the one reason that a person should read first."""
    out = [item for item in items if item.decision.sync is not Sync.SYNCED]
    if out:
        worst = max(out, key=lambda item: SYNC_FROM_BEST.index(item.decision.sync))
        return worst.decision.reason, _about(worst, worst.decision.message)
    held = {identity: why for identity, why in leftovers.items() if why}
    if held:
        return Reason.PRUNE_HELD, _first_held(held)
    unwell = [item for item in items if item.verdict.health is not Health.HEALTHY]
    if unwell:
        worst = max(unwell, key=lambda item: HEALTH_FROM_BEST.index(item.verdict.health))
        return worst.verdict.reason, _about(worst, worst.verdict.message)
    noted = next((item for item in items if item.decision.message), None)
    return Reason.NONE, _about(noted, noted.decision.message) if noted else ""


def _about(item: Item, message: str) -> str:
    identity = item.wanted.ref.id
    return f"{identity.kind} {identity.name}: {message}" if message else ""


def _first_held(held: Mapping[ObjectId, str]) -> str:
    for identity in sorted(held):
        return f"{identity.kind} {identity.name}: {held[identity]}"
    return ""


def _object_row(item: Item) -> dict[str, Any]:
    identity, decision, verdict = item.wanted.ref.id, item.decision, item.verdict
    reason, message = decision.reason, decision.message
    if decision.sync is Sync.SYNCED and not message:
        reason, message = verdict.reason, verdict.message
    return {
        "group": identity.group,
        "version": item.wanted.ref.version,
        "kind": identity.kind,
        "namespace": identity.namespace,
        "name": identity.name,
        "sync": decision.sync.value,
        "health": verdict.health.value,
        "reason": reason.value,
        "message": clip(message),
        "drift": [each.path for each in decision.drift[:MAX_DRIFT_PATHS]],
    }


def _leftover_rows(leftovers: Mapping[ObjectId, str]) -> list[dict[str, Any]]:
    return [
        {
            "group": identity.group,
            "version": "",
            "kind": identity.kind,
            "namespace": identity.namespace,
            "name": identity.name,
            "sync": Sync.ORPHANED.value,
            "health": Health.UNKNOWN.value,
            "reason": (Reason.PRUNE_HELD if why else Reason.NONE).value,
            "message": clip(why),
            "drift": [],
        }
        for identity, why in sorted(leftovers.items())
    ]
