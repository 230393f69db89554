"""Rollouts: start, steer, and carry out what the state machine of `domain/rollout.py` plans."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster
from deployments.actions.audited import Actor, audited
from deployments.actions.deleting import close_rollout
from deployments.actions.editing import actor_name, editable
from deployments.actions.planning import plan_revision, replicas_by_cluster
from deployments.actions.wishes import Wish, set_wishes
from deployments.blobs import load_content, store_objects
from deployments.domain import statuses
from deployments.domain.planner import Plan
from deployments.domain.rollout import (
    OPEN,
    Dispatch,
    MoveRollout,
    MoveTarget,
    MoveWave,
    Step,
    next_state,
    plan_resume,
    plan_rollout,
)
from deployments.domain.waves import plan_waves, read_soak, read_waves
from deployments.facts import cluster_facts, rollout_facts
from deployments.models import Application, Revision, Rollout, Target, Wave, WaveTarget
from fleet_portal.common.audit import record
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce
from fleet_portal.common.loop import wake
from fleet_portal.common.models import User

ROLLOUT_LOOP = "rollouts"
REMOVAL = "removal"
MAX_DEADLINE_SECONDS = 86400.0


@audited("rollout.start")
def start_rollout(
    actor: Actor,
    application: Application,
    *,
    revision: Revision | None = None,
    waves: Sequence[Mapping[str, Any]] = (),
    soak_seconds: float | None = None,
    max_failed: int = 0,
    deadline_seconds: float = 600.0,
) -> Rollout:
    """Take a revision (None: the latest) to the placed clusters, wave by wave.

    Content and clusters are copied now: later edits never change a running rollout. An open
    rollout of the application is superseded. Clusters that the placement no longer chooses lose
    the application in a last wave of their own.
    """
    application = editable(application)
    revision = revision or application.revisions.first()
    if revision is None:
        raise ActionRefused(_("There is no revision to roll out yet: save manifests first."))
    soak = read_soak(soak_seconds, settings.FLEET_WAVE_SOAK_SECONDS)
    specs = read_waves(list(waves), soak)
    _check_limits(max_failed, deadline_seconds)
    plan = plan_revision(application, revision)
    if not revision.rollouts.exists():
        application.replicas = {**application.replicas, **revision.replicas}
        application.save(update_fields=["replicas"])
    planned = [
        (wave.name, wave.soak_seconds, [cluster.id for cluster in wave.clusters])
        for wave in plan_waves(specs, plan.chosen, soak)
    ]
    _close_open(application, "supersede")
    rollout = _create(actor, application, revision, plan, planned, kind="rollout")
    Rollout.objects.filter(pk=rollout.pk).update(
        max_failed=max_failed, deadline_seconds=deadline_seconds
    )
    _note_start(actor, rollout, "rollout.start")
    return rollout


@audited("rollout.back")
def rollback_application(actor: Actor, application: Application, revision: Revision) -> Rollout:
    """Go back to an earlier revision everywhere at once, without soak.

    An override that hits nothing in that revision is left out and noted on the rollout: going
    back must not fail for it.
    """
    application = editable(application)
    plan = plan_revision(application, revision, lenient=True)
    _close_open(application, "roll_back")
    chosen = [cluster.id for cluster in plan.chosen]
    rollout = _create(actor, application, revision, plan, [("rest", 0.0, chosen)], kind="rollback")
    _note_start(actor, rollout, "rollout.back")
    return rollout


def _check_limits(max_failed: int, deadline_seconds: float) -> None:
    if isinstance(max_failed, bool) or not isinstance(max_failed, int) or max_failed < 0:
        raise ActionRefused(_("Failures allowed are a whole number from 0."), "max_failed")
    if not 1 <= deadline_seconds <= MAX_DEADLINE_SECONDS:
        raise ActionRefused(
            _("The deadline is a number of seconds from 1 to 86400."), "deadline_seconds"
        )


def _close_open(application: Application, event: str) -> None:
    for rollout in Rollout.objects.select_for_update().filter(
        application=application, state__in=OPEN
    ):
        close_rollout(rollout, event)


def _create(
    actor: Actor,
    application: Application,
    revision: Revision,
    plan: Plan,
    waves: list[tuple[str, float, list[int]]],
    kind: str,
) -> Rollout:
    now = timezone.now()
    for rendered in {item.digest: item for item in plan.targets.values()}.values():
        store_objects(rendered.digest, rendered.objects)
    rollout = Rollout.objects.create(
        application=application,
        revision=revision,
        kind=kind,
        state_since=now,
        notes=[note.as_json() for note in plan.notes],
        started_by=actor if isinstance(actor, User) else None,
        started_by_name=actor_name(actor),
    )
    dropped = list(
        Target.objects.filter(application=application, removing=False)
        .exclude(cluster__in=list(plan.targets))
        .values_list("cluster_id", flat=True)
    )
    if dropped:
        waves = [*waves, (REMOVAL, 0.0, dropped)]
    names = dict(Cluster.objects.values_list("pk", "name"))
    for number, (name, soak_seconds, cluster_ids) in enumerate(waves, start=1):
        wave = Wave.objects.create(
            rollout=rollout, number=number, name=name, soak_seconds=soak_seconds, state_since=now
        )
        WaveTarget.objects.bulk_create(
            WaveTarget(
                wave=wave,
                cluster_id=cluster_id,
                cluster_name=names[cluster_id],
                removal=cluster_id not in plan.targets,
                digest=plan.targets[cluster_id].digest if cluster_id in plan.targets else "",
                state_since=now,
            )
            for cluster_id in cluster_ids
        )
    return rollout


def _note_start(actor: Actor, rollout: Rollout, action: str) -> None:
    application = rollout.application
    record(
        actor,
        action,
        rollout,
        name=f"{application.name} {rollout.revision.number}",
        project=application.project,
        detail={"application": application.name, "revision": rollout.revision.number},
    )
    announce("rollout", rollout.pk, members=True)
    announce("application", application.pk)
    transaction.on_commit(lambda: wake(ROLLOUT_LOOP), robust=True)


# Steering.


@audited("rollout.pause")
def pause_rollout(actor: Actor, rollout: Rollout) -> Rollout:
    """Stop before the next step; what was sent already goes on."""
    return _steer(actor, rollout, "pause")


@audited("rollout.resume")
def resume_rollout(actor: Actor, rollout: Rollout) -> Rollout:
    """Go on; clusters that failed get another try."""
    locked = Rollout.objects.select_for_update().get(pk=rollout.pk)
    steps = plan_resume(rollout_facts(locked)) if locked.state == statuses.HALTED else []
    _carry_out(locked, steps, timezone.now())
    return _steer(actor, rollout, "resume")


@audited("rollout.abort")
def abort_rollout(actor: Actor, rollout: Rollout) -> Rollout:
    """End it; clusters keep the revision they have now."""
    return _steer(actor, rollout, "abort")


def _steer(actor: Actor, rollout: Rollout, event: str) -> Rollout:
    rollout = Rollout.objects.select_for_update().get(pk=rollout.pk)
    if next_state(rollout.state, event) is None:
        raise ActionRefused(
            _("Rollout #%(id)d is %(state)s: that can't be done now.")
            % {"id": rollout.pk, "state": _(statuses.ROLLOUT[rollout.state].label)}
        )
    rollout.reason = rollout.message = ""
    rollout.save(update_fields=["reason", "message"])
    close_rollout(rollout, event)
    application = rollout.application
    record(
        actor,
        f"rollout.{event}",
        rollout,
        name=f"{application.name} {rollout.revision.number}",
        project=application.project,
    )
    transaction.on_commit(lambda: wake(ROLLOUT_LOOP), robust=True)
    return rollout


# Carrying out.


def advance_rollout(rollout_id: int, now: datetime) -> bool:
    """Judge one rollout by its rows and carry out what follows; return whether anything did."""
    with transaction.atomic():
        rollout = (
            Rollout.objects.select_for_update(of=("self",))
            .select_related("application__project", "revision")
            .filter(pk=rollout_id)
            .first()
        )
        if rollout is None or rollout.application.deleting_at is not None:
            return False
        steps = plan_rollout(rollout_facts(rollout), now)
        _carry_out(rollout, steps, now)
    return bool(steps)


def _carry_out(rollout: Rollout, steps: Sequence[Step], now: datetime) -> None:
    if not steps:
        return
    _dispatch(rollout, [step.target_id for step in steps if isinstance(step, Dispatch)], now)
    _move_targets(rollout, [step for step in steps if isinstance(step, MoveTarget)], now)
    for step in steps:
        if isinstance(step, MoveWave):
            Wave.objects.filter(pk=step.wave_id).update(state=step.state, state_since=now)
        elif isinstance(step, MoveRollout):
            _move_rollout(rollout, step)
    announce("rollout", rollout.pk)


def _dispatch(rollout: Rollout, target_ids: list[int], now: datetime) -> None:
    if not target_ids:
        return
    application = rollout.application
    rows = list(WaveTarget.objects.filter(pk__in=target_ids, cluster__isnull=False))
    placed = [row for row in rows if not row.removal]
    clusters = {cluster.id: cluster for cluster in cluster_facts(application.project_id)}
    there = {row.cluster_id: clusters[row.cluster_id] for row in placed if row.cluster_id}
    counts = replicas_by_cluster(application, load_content(rollout.revision), there)
    wishes = {
        row.cluster_id: Wish(row.digest, rollout.revision, counts[row.cluster_id])
        for row in placed
        if row.cluster_id
    }
    removals = [row.cluster_id for row in rows if row.removal and row.cluster_id]
    set_wishes(application, wishes, removals)
    WaveTarget.objects.filter(pk__in=target_ids).update(
        state=statuses.DISPATCHED, state_since=now, dispatched_at=now, reason="", message=""
    )


def _move_targets(rollout: Rollout, moves: list[MoveTarget], now: datetime) -> None:
    rows = WaveTarget.objects.in_bulk([move.target_id for move in moves])
    soaked: list[int] = []
    for move in moves:
        row = rows[move.target_id]
        row.state, row.state_since = move.state, now
        row.reason, row.message = move.reason, move.message[:256]
        if move.state == statuses.SOAKED and row.cluster_id is not None:
            soaked.append(row.cluster_id)
    WaveTarget.objects.bulk_update(rows.values(), ["state", "state_since", "reason", "message"])
    if soaked:
        Target.objects.filter(application=rollout.application_id, cluster__in=soaked).update(
            last_good_revision=rollout.revision_id
        )


def _move_rollout(rollout: Rollout, step: MoveRollout) -> None:
    rollout.reason, rollout.message = step.reason, step.message
    rollout.save(update_fields=["reason", "message"])
    close_rollout(rollout, step.event)
    record(
        "controller:rollouts",
        f"rollout.{step.event}",
        rollout,
        name=f"{rollout.application.name} {rollout.revision.number}",
        project=rollout.application.project,
        outcome="failed" if step.event == "halt" else "done",
        detail={"reason": step.reason, "message": step.message} if step.reason else {},
    )
