"""Read rows into the frozen facts that `domain/` judges: clusters, overrides, rollouts."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from clusters.domain.liveness import Liveness, TunnelFacts, judge_liveness
from clusters.models import Cluster, ProjectScope
from deployments.domain import overrides as override_rules
from deployments.domain import statuses
from deployments.domain.placement import ClusterFacts, read_selection
from deployments.domain.rollout import RolloutFacts, TargetFacts, WaveFacts
from deployments.domain.words import Health
from deployments.models import Override, Rollout, Target, Wave, WaveTarget


def cluster_facts(project_id: int) -> list[ClusterFacts]:
    """Return every cluster of the fleet as placement sees it for one project."""
    scopes = dict(
        ProjectScope.objects.filter(project=project_id).values_list("cluster_id", "namespaces")
    )
    clusters = Cluster.objects.order_by("name").values_list(
        "pk", "name", "region__name", "labels", "mode"
    )
    return [
        ClusterFacts(pk, name, region or "", labels, mode, frozenset(scopes.get(pk, ())))
        for pk, name, region, labels, mode in clusters
    ]


def override_facts(rows: Iterable[Override]) -> list[override_rules.Override]:
    """Return overrides as the domain reads them; raises Refusal on rows that are unclear."""
    return [
        override_rules.Override(
            row.name,
            row.priority,
            read_selection(row.selector, "overrides"),
            override_rules.read_operations(row.operations, row.name),
        )
        for row in rows
    ]


def is_reachable(cluster: Cluster) -> bool:
    """Say whether the cluster's agent answers and reaches its API server."""
    return judge_liveness(cluster.tunnel_facts, timezone.now()).is_there


def away_since(cluster: Cluster) -> datetime | None:
    """Return since when the cluster can't be told anything."""
    return judge_liveness(cluster.tunnel_facts, timezone.now()).since


_SEEN = (
    "cluster_id", "observed_digest", "observed_at", "observed_sequence", "sequence", "sync",
    "health", "healthy_since", "ready", "desired", "reason", "message",
)  # fmt: skip
_PLANNED = (
    "id", "wave_id", "cluster_id", "cluster_name", "state", "state_since", "digest", "removal",
    "dispatched_at",
)  # fmt: skip
_TUNNEL = (
    "cluster__tunnel_state", "cluster__connected_at", "cluster__last_frame_at",
    "cluster__away_since", "cluster__api_reachable", "cluster__api_since",
)  # fmt: skip


def rollout_facts(rollout: Rollout) -> RolloutFacts:
    """Return one rollout with its waves and what is known of their targets (three queries).

    Plain values, not model objects: a thousand clusters are judged every second.
    """
    waves = list(rollout.waves.all())
    rows = WaveTarget.objects.filter(wave__in=waves).values_list(*_PLANNED, *_TUNNEL)
    targets = {
        values[0]: values
        for values in Target.objects.filter(application=rollout.application_id).values_list(*_SEEN)
    }
    now = timezone.now()
    by_wave: dict[int, list[TargetFacts]] = defaultdict(list)
    for row in rows:
        by_wave[row[1]].append(_target_facts(row, targets.get(row[2]), now))
    return RolloutFacts(
        id=rollout.pk,
        state=rollout.state,
        since=rollout.state_since,
        waves=tuple(_wave_facts(wave, by_wave[wave.pk]) for wave in waves),
        max_failed=rollout.max_failed,
        deadline_seconds=rollout.deadline_seconds,
        reason=rollout.reason,
        message=rollout.message,
    )


def _wave_facts(wave: Wave, targets: list[TargetFacts]) -> WaveFacts:
    return WaveFacts(
        wave.pk, wave.number, wave.name, wave.state, wave.state_since, wave.soak_seconds,
        tuple(targets),
    )  # fmt: skip


def _target_facts(row: Any, seen: Any, now: datetime) -> TargetFacts:
    planned = dict(zip(_PLANNED, row, strict=False))
    liveness = liveness_of_values(row[len(_PLANNED) :], now)
    gone = planned["cluster_id"] is None
    values: dict[str, Any] = {"present": seen is not None}
    if seen is not None:
        values |= dict(zip(_SEEN, seen, strict=True))
        del values["cluster_id"]
        values["current"] = values.pop("observed_sequence") >= values.pop("sequence")
    return TargetFacts(
        id=planned["id"],
        cluster=planned["cluster_name"],
        state=planned["state"],
        since=planned["state_since"],
        digest=planned["digest"],
        removal=planned["removal"],
        dispatched_at=planned["dispatched_at"],
        gone=gone,
        reachable=not gone and liveness.is_there,
        away_since=liveness.since,
        **values,
    )


def liveness_of_values(values: Any, now: datetime) -> Liveness:
    """Return what the columns of `_TUNNEL` mean now."""
    state, connected_at, last_frame_at, away_since_at, api_reachable, api_since = values
    facts = TunnelFacts(
        state or "", connected_at is not None, last_frame_at, away_since_at, api_reachable,
        api_since,
    )  # fmt: skip
    return judge_liveness(facts, now)


def health_counts(application_id: int) -> tuple[dict[str, int], int]:
    """Return health word -> number of clusters, and how many are away (one query).

    A cluster that is away counts as unknown, whatever was last seen.
    """
    now = timezone.now()
    counts: dict[str, int] = defaultdict(int)
    away = 0
    rows = Target.objects.filter(application=application_id).values_list("health", *_TUNNEL)
    for health, *tunnel in rows:
        there = liveness_of_values(tunnel, now).is_there
        away += not there
        counts[health if there and health in statuses.HEALTH else Health.UNKNOWN.value] += 1
    return counts, away
