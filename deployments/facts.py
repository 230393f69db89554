"""Read rows into the frozen facts that `domain/` judges: clusters, overrides, rollouts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from clusters.domain.liveness import judge_liveness
from clusters.models import Cluster, ProjectScope
from deployments.domain import overrides as override_rules
from deployments.domain.placement import ClusterFacts, read_selection
from deployments.domain.rollout import RolloutFacts, TargetFacts, WaveFacts
from deployments.models import Override, Rollout, Target, Wave, WaveTarget


def cluster_facts(project_id: int) -> list[ClusterFacts]:
    """Return every cluster of the fleet as placement sees it for one project."""
    scopes = dict(
        ProjectScope.objects.filter(project=project_id).values_list("cluster_id", "namespaces")
    )
    clusters = Cluster.objects.select_related("region")
    return [
        ClusterFacts(
            id=cluster.pk,
            name=cluster.name,
            region=cluster.region.name if cluster.region else "",
            labels=cluster.labels,
            mode=cluster.mode,
            namespaces=frozenset(scopes.get(cluster.pk, [])),
        )
        for cluster in clusters
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


def rollout_facts(rollout: Rollout) -> RolloutFacts:
    """Return one rollout with its waves and what is known of their targets (three queries)."""
    waves = list(rollout.waves.all())
    rows = WaveTarget.objects.filter(wave__in=waves).select_related("cluster")
    targets = {
        target.cluster_id: target
        for target in Target.objects.filter(application=rollout.application_id)
    }
    by_wave: dict[int, list[TargetFacts]] = defaultdict(list)
    for row in rows:
        target = targets.get(row.cluster_id) if row.cluster_id is not None else None
        by_wave[row.wave_id].append(_target_facts(row, target))
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


def _target_facts(row: WaveTarget, target: Target | None) -> TargetFacts:
    facts = TargetFacts(
        id=row.pk,
        cluster=row.cluster_name,
        state=row.state,
        since=row.state_since,
        digest=row.digest,
        removal=row.removal,
        dispatched_at=row.dispatched_at,
        gone=row.cluster is None,
        reachable=row.cluster is not None and is_reachable(row.cluster),
        away_since=away_since(row.cluster) if row.cluster else None,
        present=target is not None,
    )
    return facts if target is None else _with_seen(facts, target)


def _with_seen(facts: TargetFacts, target: Target) -> TargetFacts:
    return replace(
        facts,
        observed_digest=target.observed_digest,
        observed_at=target.observed_at,
        current=target.observed_sequence >= target.sequence,
        sync=target.sync,
        health=target.health,
        healthy_since=target.healthy_since,
        ready=target.ready,
        desired=target.desired,
        reason=target.reason,
        message=target.message,
    )
