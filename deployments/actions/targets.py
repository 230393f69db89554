"""Take in what agents report about Targets: only columns that changed are written."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from clusters import reports
from deployments.actions.deleting import drop_if_finished
from deployments.domain import statuses
from deployments.domain.rollout import OPEN
from deployments.domain.words import Health, Sync
from deployments.models import DesiredSet, Rollout, Target
from fleet_portal.common.live.topics import announce
from fleet_portal.common.loop import wake

MAX_OBJECTS = 2000
_WELL = {Health.HEALTHY.value, Health.SUSPENDED.value}
_IN_PLACE = {Sync.SYNCED.value, Sync.CONTESTED.value}


def register_reports() -> None:
    """Ask for the reports of kind `targets` (called once, at start)."""
    reports.register("targets", record_targets)


def record_targets(cluster_id: int, report: dict[str, Any], received_at: datetime) -> None:
    """Update the Targets of one project on one cluster from its agent's full list of rows.

    Raises ValueError, KeyError or TypeError on a malformed report, having changed nothing.
    """
    project, epoch, sequence = report["project"], int(report["epoch"]), int(report["sequence"])
    rows = {str(row["application"]): _read_row(row) for row in report["rows"]}
    with transaction.atomic():
        _note_order(str(project), cluster_id, epoch, sequence)
        targets = Target.objects.filter(
            cluster=cluster_id, application__project__slug=project
        ).select_related("application__project")
        confirmed: list[int] = []
        changed: list[Target] = []
        gone: list[Target] = []
        for target in targets:
            row = rows.get(target.application.name)
            if row is not None:
                if target.observed_sequence != sequence:
                    confirmed.append(target.pk)
                values = _changes(target, row, received_at)
                if values:
                    Target.objects.filter(pk=target.pk).update(**values, observed_at=received_at)
                    changed.append(target)
            elif target.removing and sequence >= target.sequence:
                gone.append(target)
        # One statement for all: a new set is confirmed for every application it holds.
        if confirmed:
            Target.objects.filter(pk__in=confirmed).update(observed_sequence=sequence)
            transaction.on_commit(lambda: wake("rollouts"), robust=True)
        _finish(changed, gone)


def _read_row(row: Mapping[str, Any]) -> dict[str, Any]:
    repaired = row.get("drift_repaired_at")
    healthy_since = row.get("healthy_since")
    sync, health = str(row["sync"]), str(row["health"])
    objects = row.get("objects") or []
    if not isinstance(objects, list):
        raise TypeError("objects must be a list")
    return {
        "observed_digest": str(row.get("digest") or "")[:80],
        # A newer agent may know words that this portal does not.
        "sync": sync if sync in statuses.SYNC else Sync.APPLYING.value,
        "health": health if health in statuses.HEALTH else Health.UNKNOWN.value,
        "ready": max(0, int(row.get("ready") or 0)),
        "desired": max(0, int(row.get("desired") or 0)),
        "reason": str(row.get("reason") or "")[:40],
        "message": str(row.get("message") or "")[:256],
        "agent_healthy_since": None if healthy_since is None else float(healthy_since),
        "drift_repaired_at": (
            None if repaired is None else datetime.fromtimestamp(float(repaired), UTC)
        ),
        "objects_seen": objects[:MAX_OBJECTS],
    }


def _changes(target: Target, row: dict[str, Any], received_at: datetime) -> dict[str, Any]:
    """Return the columns that the row changes on the target."""
    values = dict(row)
    if target.removing:
        held = row["sync"] == Sync.ORPHANED
        values["sync"] = Sync.ORPHANED.value if held else statuses.REMOVING
    values["healthy_since"] = _healthy_since(target, row, received_at)
    return {name: value for name, value in values.items() if getattr(target, name) != value}


def _healthy_since(target: Target, row: dict[str, Any], received_at: datetime) -> datetime | None:
    """Return since when, by the portal's clock, this digest has been healthy without a break.

    The agent's own start of it tells a break that fell between two reports.
    """
    if row["sync"] not in _IN_PLACE or row["health"] not in _WELL:
        return None
    same = (
        target.observed_digest == row["observed_digest"]
        and target.agent_healthy_since == row["agent_healthy_since"]
    )
    return target.healthy_since if same and target.healthy_since else received_at


def _finish(changed: list[Target], gone: list[Target]) -> None:
    if not changed and not gone:
        return
    Target.objects.filter(pk__in=[target.pk for target in gone]).delete()
    applications = {target.application_id: target.application for target in [*changed, *gone]}
    announce("application", *applications)
    watched = Rollout.objects.filter(application__in=list(applications), state__in=OPEN)
    announce("rollout", *watched.values_list("pk", flat=True))
    announce("target", *[target.pk for target in [*changed, *gone]], members=bool(gone))
    for target in gone:
        drop_if_finished(target.application)
    transaction.on_commit(lambda: wake("rollouts"), robust=True)


def _note_order(project: str, cluster_id: int, epoch: int, sequence: int) -> None:
    """See whether the agent holds the set that was acknowledged; else it must be sent again.

    An agent that is ahead of the rows (the database was restored) is overtaken by a new epoch.
    """
    row = DesiredSet.objects.filter(project__slug=project, cluster=cluster_id).first()
    if row is None:
        return
    if (epoch, sequence) > (row.epoch, row.sequence):
        DesiredSet.objects.filter(pk=row.pk).update(epoch=epoch + 1, sequence=F("sequence") + 1)
    elif (epoch, sequence) < (row.acked_epoch, row.acked_sequence):
        # Not right after an acknowledgement: a report that was under way then is older.
        settled = row.acked_at is None or (timezone.now() - row.acked_at).total_seconds() > 10
        if settled:
            DesiredSet.objects.filter(pk=row.pk).update(acked_epoch=epoch, acked_sequence=sequence)
