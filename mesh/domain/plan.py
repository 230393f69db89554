"""One turn of the observer: from what was measured to the states that follow. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mesh.domain.states import Evidence, Memory, Thresholds, advance, worst
from mesh.domain.statuses import UNKNOWN
from mesh.domain.traffic import Measured, between, evidence_for


@dataclass(frozen=True)
class ClusterSeen:
    """`sampled_at`: epoch seconds of the newest scrape behind its numbers, None if never.

    `stale_seconds`: the age from which its numbers say nothing any more.
    """

    name: str
    region: str
    sampled_at: float | None = None
    stale_seconds: float = 15.0


def stale_after(tick_seconds: float, scrape_seconds: float) -> float:
    """Return the age from which a cluster's numbers are old: three turns missed, or scrapes."""
    return max(10.0, 3 * tick_seconds, 2.5 * scrape_seconds)


@dataclass(frozen=True)
class PlacementSeen:
    """Endpoints of the service in one cluster that runs it; None while that is not known."""

    cluster: str
    ready: int | None
    total: int | None


@dataclass(frozen=True)
class ServiceSeen:
    """One service with all that is known of it; `memories`: region name -> what it remembers."""

    pk: int
    placements: Sequence[PlacementSeen]
    edges: Sequence[Measured]
    limits: Thresholds = field(default_factory=Thresholds)
    memories: Mapping[str, Memory] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What one region's row of one service becomes."""

    service: int
    region: str
    memory: Memory
    evidence: Evidence
    changed: bool
    sampled_at: float | None


@dataclass(frozen=True)
class RegionVerdict:
    """What a region becomes; `decided_by`: the verdict that it takes its cause from, if any."""

    region: str
    state: str
    decided_by: Verdict | None
    sampled_at: float | None


def plan_states(
    clusters: Sequence[ClusterSeen], services: Sequence[ServiceSeen], now: float
) -> list[Verdict]:
    """Return a verdict for each service in each region where a cluster runs it."""
    region_of = {cluster.name: cluster.region for cluster in clusters if cluster.region}
    newest = newest_samples(clusters)
    verdicts = []
    for service in services:
        flows = between(service.edges, region_of)
        counts = _endpoints_by_region(service.placements, region_of)
        for region, (ready, total) in sorted(counts.items()):
            told_by = newest.get(region)
            sampled_at = told_by.sampled_at if told_by is not None else None
            age = None if sampled_at is None else max(0.0, now - sampled_at)
            limits = service.limits
            if told_by is not None:
                limits = replace(limits, stale_seconds=told_by.stale_seconds)
            evidence = evidence_for(region, flows, age, ready, total)
            before = service.memories.get(region, Memory(since=now))
            after = advance(before, evidence, limits, now)
            changed = after.state != before.state or region not in service.memories
            verdicts.append(Verdict(service.pk, region, after, evidence, changed, sampled_at))
    return verdicts


def plan_regions(
    clusters: Sequence[ClusterSeen], verdicts: Sequence[Verdict]
) -> list[RegionVerdict]:
    """Return the state of every region that has a cluster: the worst of its services."""
    newest = newest_samples(clusters)
    found = []
    for region in sorted({cluster.region for cluster in clusters if cluster.region}):
        mine = [verdict for verdict in verdicts if verdict.region == region]
        state = worst([verdict.memory.state for verdict in mine]) if mine else UNKNOWN.value
        decided_by = next((verdict for verdict in mine if verdict.memory.state == state), None)
        told_by = newest.get(region)
        sampled_at = told_by.sampled_at if told_by is not None else None
        found.append(RegionVerdict(region, state, decided_by, sampled_at))
    return found


def newest_samples(clusters: Sequence[ClusterSeen]) -> dict[str, ClusterSeen]:
    """Return region -> its cluster with the newest scrape: one dead cluster hides no other."""
    newest: dict[str, ClusterSeen] = {}
    for cluster in clusters:
        if not cluster.region or cluster.sampled_at is None:
            continue
        best = newest.get(cluster.region)
        if best is None or cluster.sampled_at > (best.sampled_at or 0.0):
            newest[cluster.region] = cluster
    return newest


def _endpoints_by_region(
    placements: Sequence[PlacementSeen], region_of: Mapping[str, str]
) -> dict[str, tuple[int | None, int | None]]:
    """Sum endpoints of a region's clusters; None when no cluster of it could tell."""
    counts: dict[str, tuple[int | None, int | None]] = {}
    for placement in placements:
        region = region_of.get(placement.cluster)
        if region is None:
            continue
        ready, total = counts.get(region, (None, None))
        if placement.ready is not None and placement.total is not None:
            ready, total = (ready or 0) + placement.ready, (total or 0) + placement.total
        counts[region] = (ready, total)
    return counts
