"""What the loops record: placements, samples, states and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from clusters.models import Cluster, Region
from fleet_portal.common.live.topics import announce
from mesh.domain.plan import RegionVerdict, Verdict
from mesh.domain.states import describe, moment
from mesh.domain.traffic import EdgeKey, Rates
from mesh.models import (
    ClusterMesh,
    MeshService,
    RegionState,
    ServicePlacement,
    ServiceRegionState,
    StatePeriod,
    TrafficSample,
)
from mesh.sources import PlacementAnswer, TrafficAnswer

KEEP_PERIODS = timedelta(days=30)


def record_placements(
    service: MeshService, answers: Mapping[int, PlacementAnswer], now: datetime
) -> bool:
    """Write what clusters hold of the service; return whether its objects may differ now.

    A cluster that could not be asked keeps what was known of it, beside the error.
    """
    known = {row.cluster_id: row for row in service.placements.all()}
    changed = False
    for cluster_id, answer in answers.items():
        row = known.get(cluster_id) or ServicePlacement(service=service, cluster_id=cluster_id)
        before = (row.pk, row.runs_service, row.own_route, row.ready, row.total, row.error)
        row.error = answer.error[:512]
        if answer.placement is not None:
            placement = answer.placement
            row.runs_service, row.own_route = placement.runs_service, placement.own_route
            row.zones = {zone: list(counts) for zone, counts in placement.zones.items()}
            row.ready, row.total = placement.ready, placement.total
            row.observed_at = now
        row.save()
        after = (row.pk, row.runs_service, row.own_route, row.ready, row.total, row.error)
        changed = changed or before != after
    gone = service.placements.exclude(cluster_id__in=list(answers)).delete()[0]
    if changed or gone:
        announce("mesh-service", service.pk)
    return changed or bool(gone)


@transaction.atomic
def record_traffic(
    answers: Mapping[int, TrafficAnswer], clusters: Mapping[int, Cluster], now: datetime
) -> None:
    """Write the latest numbers of every cluster that answered; the others keep their old ones."""
    services = {(row.namespace, row.name): row for row in MeshService.objects.all()}
    by_name = {cluster.name: cluster for cluster in clusters.values()}
    samples: list[TrafficSample] = []
    answered: list[int] = []
    for cluster_id, answer in answers.items():
        _write_asked(cluster_id, answer, now)
        if answer.endpoints is not None:
            _write_endpoints(cluster_id, answer.endpoints, services, now)
        if not _is_usable(answer):
            continue
        answered.append(cluster_id)
        sampled_at = now - timedelta(seconds=answer.age_seconds or 0.0)
        for key, rates in answer.edges.items():
            sample = _sample(key, rates, services, by_name, sampled_at)
            if sample is not None:
                samples.append(sample)
    TrafficSample.objects.filter(source_id__in=answered).delete()
    TrafficSample.objects.bulk_create(samples)
    announce("traffic", *answers)


def _is_usable(answer: TrafficAnswer) -> bool:
    """When no scrape target answers, the numbers are old ones fading out: no measurement."""
    return not answer.error and answer.age_seconds is not None and answer.scraped_share != 0


def _write_asked(cluster_id: int, answer: TrafficAnswer, now: datetime) -> None:
    row = ClusterMesh.objects.get_or_create(cluster_id=cluster_id)[0]
    row.asked_at, row.error = now, answer.error[:255]
    row.scraped_share = answer.scraped_share
    if _is_usable(answer):
        row.sampled_at = now - timedelta(seconds=answer.age_seconds or 0.0)
    row.save(update_fields=["asked_at", "error", "scraped_share", "sampled_at"])


def _write_endpoints(
    cluster_id: int,
    endpoints: Mapping[tuple[str, str], Mapping[str, tuple[int, int]]],
    services: Mapping[tuple[str, str], MeshService],
    now: datetime,
) -> None:
    for row in ServicePlacement.objects.filter(cluster_id=cluster_id).select_related("service"):
        zones = endpoints.get((row.service.namespace, row.service.name))
        if zones is None:
            continue
        before = (row.ready, row.total)
        row.zones = {zone: list(counts) for zone, counts in zones.items()}
        row.ready = sum(ready for ready, _ in zones.values())
        row.total = sum(total for _, total in zones.values())
        row.save(update_fields=["zones", "ready", "total"])
        if before != (row.ready, row.total):
            announce("mesh-service", row.service_id)


def _sample(
    key: EdgeKey,
    rates: Rates,
    services: Mapping[tuple[str, str], MeshService],
    by_name: Mapping[str, Cluster],
    sampled_at: datetime,
) -> TrafficSample | None:
    service = services.get((key.namespace, key.service))
    destination = by_name.get(key.destination)
    if service is None or (key.destination and destination is None):
        return None
    return TrafficSample(
        service=service,
        source=by_name[key.source],
        destination=destination,
        requests=rates.requests,
        errors=rates.errors,
        buckets={str(bound): rate for bound, rate in rates.buckets.items()},
        sampled_at=sampled_at,
    )


@transaction.atomic
def record_states(
    verdicts: Sequence[Verdict], regions: Sequence[RegionVerdict], now: datetime
) -> None:
    """Write where every service and region stands; a new state ends one period and begins one."""
    by_name = {region.name: region for region in Region.objects.all()}
    _write_service_states([v for v in verdicts if v.region in by_name], by_name, now)
    changed = [
        by_name[verdict.region].pk
        for verdict in regions
        if verdict.region in by_name and _write_region(by_name[verdict.region], verdict, now)
    ]
    if changed:
        announce("region-state", *changed)


def _write_service_states(
    verdicts: Sequence[Verdict], by_name: Mapping[str, Region], now: datetime
) -> None:
    known = {(row.service_id, row.region_id): row for row in ServiceRegionState.objects.all()}
    for verdict in verdicts:
        region = by_name[verdict.region]
        row = known.pop((verdict.service, region.pk), None)
        if row is None:
            row = ServiceRegionState(service_id=verdict.service, region=region)
        memory = verdict.memory
        row.state, row.cause, row.since = memory.state, memory.cause, moment(memory.since)
        row.memory = memory.to_dict()
        row.sampled_at = None if verdict.sampled_at is None else moment(verdict.sampled_at)
        if verdict.changed:
            row.evidence = describe(verdict.evidence)
            _open_period(region, verdict.service, row.state, row.cause, row.evidence, now)
            announce("mesh-service", verdict.service)
        row.save()
    for row in known.values():
        _close_period(row.region, row.service_id, now)
        row.delete()


def _write_region(region: Region, verdict: RegionVerdict, now: datetime) -> bool:
    row = RegionState.objects.filter(region=region).first()
    is_new = row is None
    row = row or RegionState(region=region, since=now)
    decided_by = verdict.decided_by
    cause = decided_by.memory.cause if decided_by is not None else "no_services"
    changed = is_new or (row.state, row.cause) != (verdict.state, cause)
    if changed:
        if row.state != verdict.state:
            row.since = now
        row.state, row.cause = verdict.state, cause
        row.evidence = describe(decided_by.evidence) if decided_by is not None else {}
        _open_period(region, None, row.state, row.cause, row.evidence, now)
    row.sampled_at = None if verdict.sampled_at is None else moment(verdict.sampled_at)
    row.save()
    return changed


def _open_period(
    region: Region,
    service_id: int | None,
    state: str,
    cause: str,
    evidence: dict[str, str],
    now: datetime,
) -> None:
    _close_period(region, service_id, now)
    StatePeriod.objects.create(
        region=region,
        service_id=service_id,
        state=state,
        cause=cause,
        evidence=evidence,
        started_at=now,
    )


def _close_period(region: Region, service_id: int | None, now: datetime) -> None:
    StatePeriod.objects.filter(region=region, service_id=service_id, ended_at__isnull=True).update(
        ended_at=now
    )


def drop_old_periods(now: datetime) -> None:
    """Forget bands that ended a month ago."""
    StatePeriod.objects.filter(ended_at__lt=now - KEEP_PERIODS).delete()


def record_error(service: MeshService, message: str) -> None:
    """Keep on the row why its last turn failed; an empty message clears it."""
    message = message[:512]
    if service.error != message:
        MeshService.objects.filter(pk=service.pk).update(error=message)
        service.error = message
        announce("mesh-service", service.pk)
