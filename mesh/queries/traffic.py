"""Requests between clusters and regions, as measured and while that is fresh."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from clusters.models import Cluster
from clusters.queries import clusters_visible_to
from fleet_portal.common.access import Access, Role
from mesh.domain.picture import Arc, Node, draw_arcs, place_nodes
from mesh.domain.plan import ClusterSeen, stale_after
from mesh.domain.states import moment
from mesh.domain.traffic import UNSERVED, Measured, Rates, between, quantile
from mesh.models import ClusterMesh, TrafficSample
from mesh.queries.services import NO_MESH, tick_seconds

PICTURE_REGIONS = 8


def istio_ids(clusters: list[Cluster]) -> dict[str, str]:
    """Return name in Istio's metrics -> cluster name; a name of its own wins over the default."""
    ids = {cluster.name: cluster.name for cluster in clusters}
    by_pk = {cluster.pk: cluster.name for cluster in clusters}
    rows = ClusterMesh.objects.filter(cluster__in=list(by_pk)).exclude(istio_id="")
    ids |= {row.istio_id: by_pk[row.cluster_id] for row in rows}
    return ids


def clusters_seen(clusters: list[Cluster]) -> list[ClusterSeen]:
    """Return the clusters with the age limits of their numbers; needs `region` and `mesh`."""
    seen = []
    for cluster in clusters:
        mesh = getattr(cluster, "mesh", NO_MESH)
        sampled_at = mesh.sampled_at.timestamp() if mesh.sampled_at else None
        limit = stale_after(tick_seconds(), mesh.scrape_seconds)
        region = cluster.region.name if cluster.region else ""
        seen.append(ClusterSeen(cluster.name, region, sampled_at, limit))
    return seen


def is_fresh(seen: ClusterSeen, now: datetime) -> bool:
    return seen.sampled_at is not None and now.timestamp() - seen.sampled_at <= seen.stale_seconds


def edges_visible_to(access: Access) -> QuerySet[TrafficSample]:
    """Return the latest measurement of every edge of the services that the viewer may see."""
    return (
        TrafficSample.objects.filter(access.projects(Role.VIEWER, "service__project"))
        .select_related("service", "source__region", "destination__region")
        .order_by("service__namespace", "service__name", "source__name", "destination__name")
    )


def rates_of(sample: TrafficSample) -> Rates:
    buckets = {float(bound): rate for bound, rate in sample.buckets.items()}
    return Rates(sample.requests, sample.errors, buckets)


@dataclass(frozen=True)
class Cell:
    """Requests from one region to another, or to nobody. `known`: false while it is not measured.

    Latencies in milliseconds, `error_percent` of these requests; None without requests.
    """

    source: str
    destination: str
    known: bool
    requests: float = 0.0
    error_percent: float | None = None
    p50: float | None = None
    p95: float | None = None

    @property
    def leaves(self) -> bool:
        return self.source != self.destination

    @property
    def tone(self) -> str:
        """A word of status tones, for colour beside the numbers."""
        if not self.known:
            return "away"
        if not self.requests:
            return "none"
        if self.destination == UNSERVED or (self.error_percent or 0.0) >= 5:
            return "bad"
        return "warn" if self.leaves or (self.error_percent or 0.0) >= 1 else "ok"


@dataclass(frozen=True)
class MatrixRow:
    """One region's callers. `sampled_at`: of its newest numbers.

    `silent`: clusters not telling, as far as the viewer may know of them.
    """

    region: str
    cells: list[Cell]
    known: bool
    sampled_at: datetime | None
    silent: list[str]


@dataclass(frozen=True)
class Matrix:
    """`limited`: the viewer sees some projects only, so that requests to others don't count."""

    regions: list[str]
    rows: list[MatrixRow]
    has_unserved: bool
    nodes: list[Node]
    arcs: list[tuple[Arc, Cell]]
    limited: bool

    @property
    def total(self) -> float:
        return sum(cell.requests for row in self.rows for cell in row.cells if cell.known)

    @property
    def known(self) -> bool:
        return any(row.known for row in self.rows)


def matrix(access: Access, now: datetime, service_id: int | None = None) -> Matrix:
    """Return requests between regions, of one service or of all that the viewer may see."""
    clusters = list(Cluster.objects.select_related("region", "mesh").exclude(region=None))
    seen = {cluster.name: cluster for cluster in clusters_seen(clusters)}
    regions = sorted({cluster.region for cluster in seen.values()})
    samples = edges_visible_to(access)
    if service_id is not None:
        samples = samples.filter(service_id=service_id)
    fresh = {name for name, cluster in seen.items() if is_fresh(cluster, now)}
    edges = [
        Measured(
            sample.source.name,
            sample.destination.name if sample.destination else UNSERVED,
            rates_of(sample),
        )
        for sample in samples
        if sample.source.name in fresh
    ]
    flows = between(edges, {name: cluster.region for name, cluster in seen.items()})
    by_region: dict[str, list[ClusterSeen]] = defaultdict(list)
    for cluster in seen.values():
        by_region[cluster.region].append(cluster)
    names = names_visible_to(access)
    rows = [_row(region, by_region[region], fresh, names, regions, flows) for region in regions]
    return _with_picture(regions, rows, is_limited(access))


def is_limited(access: Access) -> bool:
    """Tell whether requests to some services are not this viewer's to see."""
    return access.project_ids(Role.VIEWER) is not None


def names_visible_to(access: Access) -> set[str]:
    """Return the names of the clusters that the viewer may know of."""
    return set(clusters_visible_to(access).values_list("name", flat=True))


def _row(
    region: str,
    clusters: list[ClusterSeen],
    fresh: set[str],
    names: set[str],
    regions: list[str],
    flows: dict[tuple[str, str], Rates],
) -> MatrixRow:
    known = any(cluster.name in fresh for cluster in clusters)
    newest = max((cluster.sampled_at or 0.0 for cluster in clusters), default=0.0)
    cells = [
        _cell(region, destination, known, flows.get((region, destination)))
        for destination in [*regions, UNSERVED]
    ]
    return MatrixRow(
        region=region,
        cells=cells,
        known=known,
        sampled_at=moment(newest) if newest else None,
        silent=sorted({cluster.name for cluster in clusters} & names - fresh),
    )


def _cell(source: str, destination: str, known: bool, rates: Rates | None) -> Cell:
    if rates is None or not known:
        return Cell(source, destination, known)
    return Cell(
        source,
        destination,
        known,
        requests=rates.requests,
        error_percent=100 * rates.errors / rates.requests if rates.requests else None,
        p50=quantile(rates.buckets, 0.5),
        p95=quantile(rates.buckets, 0.95),
    )


def _with_picture(regions: list[str], rows: list[MatrixRow], limited: bool) -> Matrix:
    cells = {(cell.source, cell.destination): cell for row in rows for cell in row.cells}
    nodes = place_nodes(regions) if 0 < len(regions) <= PICTURE_REGIONS else []
    arcs = draw_arcs(nodes, {key: cell.requests for key, cell in cells.items() if cell.known})
    return Matrix(
        regions=regions,
        rows=rows,
        has_unserved=any(row.cells[-1].requests for row in rows),
        nodes=nodes,
        arcs=[(arc, cells[arc.source, arc.destination]) for arc in arcs],
        limited=limited,
    )
