"""Two loops: what requests do (each tick), and what clusters hold of the shared services.

`observe_traffic` asks every cluster that is there, records the numbers and moves the states.
`refresh_services` reads placements, hands changed objects over and finishes removals. A cluster
that does not answer holds nobody up: its numbers grow old, and old numbers are unknown.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from clusters.models import Cluster
from clusters.queries import liveness_of
from fleet_portal.common.errors import FleetError
from fleet_portal.common.loop import Loop
from fleet_portal.common.text import N_
from mesh import actions, queries, sources
from mesh.domain.plan import PlacementSeen, ServiceSeen, plan_regions, plan_states
from mesh.domain.states import Memory, Thresholds
from mesh.domain.traffic import UNSERVED, Measured
from mesh.models import (
    ClusterMesh,
    MeshService,
    ServicePlacement,
    ServiceRegionState,
    TrafficSample,
)
from mesh.queries.services import NO_MESH
from mesh.queries.traffic import clusters_seen, rates_of

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 15.0
ASK_SECONDS = 4.0
CONTROLLER = "controller:mesh"
INTERNAL = N_("internal error, see the portal's log")


def loops() -> list[Loop]:
    return [
        Loop("mesh-traffic", queries.tick_seconds(), observe_traffic),
        Loop("mesh-services", REFRESH_SECONDS, refresh_services),
    ]


def observe_traffic() -> None:
    """Measure, record, judge: one turn."""
    clusters = list(Cluster.objects.select_related("region", "mesh"))
    services = list(MeshService.objects.values_list("namespace", "name"))
    if services:
        answers = sources.ask_traffic(
            [cluster for cluster in clusters if _is_due(cluster, timezone.now())],
            {row.pk: queries.window_seconds(_mesh(row).scrape_seconds) for row in clusters},
            services,
            queries.istio_ids(clusters),
            ASK_SECONDS,
        )
        actions.record_traffic(answers, {row.pk: row for row in clusters}, timezone.now())
    judge(timezone.now())
    add_routes()


def add_routes() -> None:
    """Route where clusters have confirmed their stub: each tick, so that sharing takes seconds."""
    waiting = MeshService.objects.filter(placements__routed=False, removing=False).distinct()
    for service in waiting.select_related("project", "application"):
        try:
            actions.add_routes(service, CONTROLLER)
        except FleetError as error:
            actions.record_error(service, str(error))


def _mesh(cluster: Cluster) -> ClusterMesh:
    return getattr(cluster, "mesh", NO_MESH)


def _is_due(cluster: Cluster, now: datetime) -> bool:
    """Ask no more often than there can be something new: twice a scrape."""
    if not liveness_of(cluster, now).is_there:
        return False
    mesh = _mesh(cluster)
    every = max(queries.tick_seconds(), mesh.scrape_seconds / 2)
    return mesh.asked_at is None or (now - mesh.asked_at).total_seconds() >= every - 0.5


def judge(now: datetime) -> None:
    """Move every state by what is recorded now."""
    clusters = clusters_seen(list(Cluster.objects.select_related("region", "mesh")))
    verdicts = plan_states(clusters, _services_seen(), now.timestamp())
    actions.record_states(verdicts, plan_regions(clusters, verdicts), now)


def _services_seen() -> list[ServiceSeen]:
    placements: dict[int, list[PlacementSeen]] = defaultdict(list)
    for row in ServicePlacement.objects.filter(runs_service=True).select_related("cluster"):
        is_known = row.observed_at is not None and not row.error
        placements[row.service_id].append(
            PlacementSeen(
                row.cluster.name, row.ready if is_known else None, row.total if is_known else None
            )
        )
    edges: dict[int, list[Measured]] = defaultdict(list)
    for sample in TrafficSample.objects.select_related("source", "destination"):
        destination = sample.destination.name if sample.destination else UNSERVED
        edges[sample.service_id].append(Measured(sample.source.name, destination, rates_of(sample)))
    memories: dict[int, dict[str, Memory]] = defaultdict(dict)
    for state in ServiceRegionState.objects.select_related("region"):
        memories[state.service_id][state.region.name] = Memory(
            state.state, state.since.timestamp(), state.cause, **state.memory
        )
    return [
        ServiceSeen(
            service.pk,
            placements[service.pk],
            edges[service.pk],
            replace(Thresholds(), hold_down_seconds=service.hold_down_seconds),
            memories[service.pk],
        )
        for service in MeshService.objects.all()
    ]


def refresh_services() -> None:
    """Read what clusters hold, hand over what follows, finish what is being removed."""
    now = timezone.now()
    for service in MeshService.objects.select_related("project", "application"):
        try:
            _refresh(service, now)
        except FleetError as error:
            actions.record_error(service, str(error))
        except Exception:  # one service never stops the others
            logger.exception("mesh service %s could not be refreshed", service)
            actions.record_error(service, INTERNAL)
    actions.drop_old_periods(now)


def _refresh(service: MeshService, now: datetime) -> None:
    scope = queries.clusters_in_scope(service.project, service.namespace)
    there = [cluster for cluster in scope if liveness_of(cluster, now).is_there]
    answers = sources.ask_placements(
        there, service.project.slug, service.namespace, service.name, ASK_SECONDS
    )
    for cluster in scope:
        away = sources.PlacementAnswer(error=sources.AWAY)
        answers.setdefault(cluster.pk, away)
    actions.record_placements(service, answers, now)
    if not actions.finish_removal(service):
        actions.distribute(service, CONTROLLER)
        actions.record_error(service, "")
