"""Services of the mesh: where they are, which objects follow, how requests would be split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml
from django.conf import settings
from django.db.models import Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from clusters.models import Cluster, Node, ProjectScope
from clusters.queries import liveness_of
from deployments.domain import statuses as deployment_statuses
from deployments.domain.words import Sync
from fleet_portal.common.access import Access, Role
from fleet_portal.common.errors import NotVisible
from fleet_portal.common.models import Project
from fleet_portal.common.statuses import Status
from mesh.domain import stubs
from mesh.domain.calc import split_by_region
from mesh.domain.routes import cluster_name
from mesh.domain.states import worst
from mesh.domain.translate import Caller, PodEndpoint, translate
from mesh.models import ClusterMesh, MeshService, ServicePlacement

NO_MESH = ClusterMesh()


def tick_seconds() -> float:
    return float(settings.FLEET_MESH_TICK_SECONDS)


def default_hold_down() -> float:
    return float(settings.FLEET_MESH_HOLD_DOWN_SECONDS)


def window_seconds(scrape_seconds: int) -> int:
    """Return the rate window: at least four scrapes, so that a rate exists at every moment."""
    return max(4 * scrape_seconds, int(settings.FLEET_MESH_RATE_WINDOW_SECONDS))


def clusters_in_scope(project: Project, namespace: str) -> list[Cluster]:
    """Return the clusters in which the project may use the namespace."""
    scopes = ProjectScope.objects.filter(project=project).select_related("cluster__region")
    return [scope.cluster for scope in scopes if namespace in scope.namespaces]


def services_visible_to(access: Access) -> QuerySet[MeshService]:
    rows = MeshService.objects.filter(access.projects(Role.VIEWER))
    return rows.select_related("project", "application")


def service_visible_to(access: Access, namespace: str, name: str) -> MeshService:
    """Return one service; raises NotVisible, whether it is hidden or absent."""
    service = services_visible_to(access).filter(namespace=namespace, name=name).first()
    if service is None:
        raise NotVisible
    return service


def sites_of(service: MeshService) -> dict[int, stubs.Site]:
    """Return cluster id -> the cluster as the mesh sees it, for clusters that were ever read.

    One that never answered is left out: a name might be the owners' there, and stays theirs.
    """
    rows = list(
        ServicePlacement.objects.filter(service=service, observed_at__isnull=False)
        .select_related("cluster__region", "cluster__mesh")
        .order_by("cluster__name")
    )
    zones = _first_zones([row.cluster_id for row in rows])
    return {row.cluster_id: _site(row, zones.get(row.cluster_id, "")) for row in rows}


def _first_zones(cluster_ids: Sequence[int]) -> dict[int, str]:
    """Return cluster id -> its first zone by name: a gateway stands for all of them."""
    rows = Node.objects.filter(cluster__in=cluster_ids).exclude(zone="")
    return dict(rows.values("cluster").annotate(first=Min("zone")).values_list("cluster", "first"))


def _site(row: ServicePlacement, zone: str) -> stubs.Site:
    mesh = getattr(row.cluster, "mesh", NO_MESH)
    return stubs.Site(
        cluster=row.cluster.name,
        region=row.cluster.region.name if row.cluster.region else "",
        zone=zone,
        network=mesh.network,
        gateways=mesh.entrances,
        runs_service=row.runs_service,
        own_route=row.own_route,
        ready=row.ready,
    )


def objects_by_cluster(service: MeshService) -> dict[int, list[dict[str, Any]]]:
    """Return cluster id -> the objects that belong there now.

    Routes come last and go first: a cluster gets its route once it has confirmed the rest, and
    while a service is being removed nobody has one.
    """
    sites = sites_of(service)
    everywhere = list(sites.values())
    routed = set(service.placements.filter(routed=True).values_list("cluster_id", flat=True))
    found = {}
    for cluster_id, here in sites.items():
        objects = stubs.objects_for(
            service.service, here, everywhere, service.nearest, service.failover_settings
        )
        may_route = cluster_id in routed and not service.removing
        found[cluster_id] = [obj for obj in objects if may_route or obj["kind"] != stubs.ROUTE_KIND]
    return found


def confirmed_clusters(service: MeshService) -> set[int]:
    """Return the clusters that hold what they were last told."""
    if service.application is None:
        return set()
    return {
        target.cluster_id
        for target in service.application.targets.all()
        if target.observed_digest == target.desired_digest and target.sync == Sync.SYNCED.value
    }


def routes_are_gone(service: MeshService) -> bool:
    """Tell whether every cluster that is there has confirmed what it was last told."""
    if service.application is None:
        return True
    now, confirmed = timezone.now(), confirmed_clusters(service)
    return not any(
        liveness_of(target.cluster, now).is_there
        for target in service.application.targets.select_related("cluster")
        if target.cluster_id not in confirmed
    )


@dataclass(frozen=True)
class ClusterPart:
    """One cluster of a service's page. `split`: region -> per cent of its callers' requests."""

    cluster: Cluster
    placement: ServicePlacement
    site: stubs.Site | None
    objects_yaml: str
    objects_count: int
    split: dict[str, float]
    findings: list[str]
    route_yaml: str
    sync: Status | None
    sync_message: str


def parts_of(service: MeshService) -> list[ClusterPart]:
    """Return what the service is in each cluster, by name of region and cluster."""
    sites = sites_of(service)
    everywhere = list(sites.values())
    objects = objects_by_cluster(service)
    targets = {}
    if service.application is not None:
        targets = {target.cluster_id: target for target in service.application.targets.all()}
    rows = service.placements.select_related("cluster__region").order_by(
        "cluster__region__name", "cluster__name"
    )
    parts = []
    for row in rows:
        site = sites.get(row.cluster_id)
        here = objects.get(row.cluster_id, [])
        target = targets.get(row.cluster_id)
        parts.append(
            ClusterPart(
                cluster=row.cluster,
                placement=row,
                site=site,
                objects_yaml=_yaml(here),
                objects_count=len(here),
                split=_split(service, site, row, here) if site else {},
                findings=_findings(service, site, everywhere) if site else [],
                route_yaml=_route_yaml(service) if row.own_route else "",
                sync=_sync(target.sync) if target else None,
                sync_message=target.message if target else "",
            )
        )
    return parts


def _sync(word: str) -> Status | None:
    known = deployment_statuses.SYNC
    return known[word] if word in known else None  # noqa: SIM401 - it is no dict


def _yaml(objects: Sequence[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False) if objects else ""


def _route_yaml(service: MeshService) -> str:
    return yaml.safe_dump(
        [stubs.route_to_add(service.service, service.failover_settings)], sort_keys=False
    )


def _findings(service: MeshService, here: stubs.Site, sites: Sequence[stubs.Site]) -> list[str]:
    found = stubs.findings_for(service.service, here, sites)
    return [gettext(finding.sentence) % finding.values for finding in found]


def _split(
    service: MeshService,
    here: stubs.Site,
    placement: ServicePlacement,
    objects: Sequence[dict[str, Any]],
) -> dict[str, float]:
    """Read the objects back as istiod would, with as many Pods as the cluster has now."""
    known = service.service
    config = translate(
        objects,
        Caller(here.region, here.zone, here.cluster, known.namespace),
        _pods(known.namespace, known.selector, here.region, placement.zones),
    )
    return split_by_region(config.cluster(cluster_name(known.stub_host, known.ports[0].number)))


def _pods(
    namespace: str, selector: Any, region: str, zones: dict[str, list[int]]
) -> list[PodEndpoint]:
    """Return stand-ins for the Pods: only their number, place and readiness matter here."""
    pods = []
    for zone, (ready, total) in zones.items():
        for number in range(total):
            address = f"{zone or 'pod'}-{number}"
            pods.append(
                PodEndpoint(namespace, address, selector, region, zone, ready=number < ready)
            )
    return pods


@dataclass(frozen=True)
class ServiceRow:
    """One line of the list of services."""

    service: MeshService
    clusters: int
    ready: int
    total: int
    own_routes: int
    state: str
    observed_at: datetime | None


def service_rows(access: Access) -> list[ServiceRow]:
    """Return the visible services with their totals; the same queries for 3 and for 300."""
    rows = []
    for service in services_visible_to(access).prefetch_related("placements", "states"):
        placements = list(service.placements.all())
        running = [row for row in placements if row.runs_service]
        seen = [row.observed_at for row in placements if row.observed_at]
        rows.append(
            ServiceRow(
                service=service,
                clusters=len(running),
                ready=sum(row.ready for row in running),
                total=sum(row.total for row in running),
                own_routes=sum(bool(row.own_route) for row in placements),
                state=worst([state.state for state in service.states.all()]),
                observed_at=min(seen) if seen else None,
            )
        )
    return rows
