"""Every read of the app, limited to what the viewer may see.

Who holds a role on everything sees every cluster; who holds one on a project sees the clusters
that the project's scopes name. Totals are added up by one query for many clusters.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from clusters.domain.capacity import NOTHING, Capacity, add_up
from clusters.domain.liveness import Liveness, judge_liveness
from clusters.domain.names import ListedNames, names_for
from clusters.domain.progress import JoinFacts, Step, join_steps
from clusters.domain.statuses import (
    API_UNREACHABLE,
    CONNECTED,
    LIVENESS,
    LOST,
    NODE_NOT_READY,
    NODE_READY,
    PENDING,
    SILENT,
)
from clusters.models import (
    Cluster,
    ClusterEvent,
    JoinToken,
    Node,
    ProjectScope,
    Region,
)
from fleet_portal.common.access import Access, Role
from fleet_portal.common.errors import NotVisible
from fleet_portal.common.models import Project, Team
from fleet_portal.common.statuses import Status

SORTS = {
    "name": "name",
    "region": "region__name",
    "state": "tunnel_state",
    "version": "server_version",
    "mode": "mode",
    "seen": "last_frame_at",
    "joined": "joined_at",
}


@dataclass(frozen=True)
class ClusterRow:
    """One cluster as lists show it."""

    cluster: Cluster
    liveness: Liveness
    capacity: Capacity

    @property
    def status(self) -> Status:
        return LIVENESS[self.liveness.status]


@dataclass(frozen=True)
class ClusterFilter:
    """What a list is narrowed to; empty means anything. `sort`: a key of SORTS, `-` reverses."""

    text: str = ""
    region: str = ""
    state: str = ""
    mode: str = ""
    sort: str = "name"

    @property
    def is_narrow(self) -> bool:
        return bool(self.text or self.region or self.state or self.mode)


# Clusters.


def clusters_visible_to(access: Access) -> QuerySet[Cluster]:
    """Return the clusters that the viewer may see."""
    rows = Cluster.objects.select_related("region")
    project_ids = access.project_ids(Role.VIEWER)
    if project_ids is None:
        return rows
    named = ProjectScope.objects.filter(project__in=sorted(project_ids)).values("cluster")
    return rows.filter(pk__in=named)


def cluster_visible_to(access: Access, name: str) -> Cluster:
    """Return one cluster; raises NotVisible, whether it is hidden or absent."""
    cluster = clusters_visible_to(access).filter(name=name).first()
    if cluster is None:
        raise NotVisible
    return cluster


def clusters_matching(access: Access, wanted: ClusterFilter) -> QuerySet[Cluster]:
    """Return the visible clusters that the filter lets through, sorted."""
    rows = clusters_visible_to(access)
    if wanted.text:
        rows = rows.filter(Q(name__icontains=wanted.text) | Q(region__name__icontains=wanted.text))
    if wanted.region:
        rows = rows.filter(region__name=wanted.region)
    if wanted.mode:
        rows = rows.filter(mode=wanted.mode)
    if wanted.state:
        rows = rows.filter(_in_state(wanted.state))
    column = SORTS.get(wanted.sort.removeprefix("-"), "name")
    return rows.order_by(f"-{column}" if wanted.sort.startswith("-") else column, "name")


def _in_state(state: str) -> Q:
    """Return the filter for a liveness word, by the columns that the sweep keeps true."""
    unreachable = Q(tunnel_state=CONNECTED, api_reachable=False)
    filters = {
        PENDING: Q(connected_at=None),
        CONNECTED: Q(tunnel_state=CONNECTED) & ~unreachable,
        API_UNREACHABLE: unreachable,
        SILENT: Q(tunnel_state=SILENT),
        LOST: Q(tunnel_state=LOST),
    }
    return filters.get(state, Q(pk__in=[]))


def liveness_of(cluster: Cluster, now: datetime) -> Liveness:
    """Return what the cluster's row means now."""
    return judge_liveness(cluster.tunnel_facts, now)


def rows_of(clusters: Iterable[Cluster], now: datetime) -> list[ClusterRow]:
    """Return the clusters with liveness and totals; one query, however many there are."""
    found = list(clusters)
    totals = totals_of([cluster.pk for cluster in found])
    return [
        ClusterRow(cluster, liveness_of(cluster, now), totals.get(cluster.pk, NOTHING))
        for cluster in found
    ]


def count_by_state(access: Access) -> dict[str, int]:
    """Return liveness word -> how many of the viewer's clusters; every word is there."""
    return clusters_visible_to(access).aggregate(
        **{status.value: Count("pk", filter=_in_state(status.value)) for status in LIVENESS}
    )


def regions_visible_to(access: Access) -> QuerySet[Region]:
    """Return the regions that hold a cluster the viewer sees; who sees everything sees all."""
    if access.project_ids(Role.VIEWER) is None:
        return Region.objects.all()
    return Region.objects.filter(clusters__in=clusters_visible_to(access)).distinct()


def among(path: str, clusters: QuerySet[Cluster]) -> Q:
    """Return the filter that the relation at `path` leads to one of `clusters`."""
    return Q(**{f"{path}__in": clusters})


# Totals.

_READY = Q(ready=True)
# A node that is not ready offers nothing, but is counted.
_SUMS = {
    "nodes": Count("pk"),
    "nodes_ready": Count("pk", filter=_READY),
    "cpu_milli": Sum("cpu_milli", filter=_READY, default=0),
    "memory_bytes": Sum("memory_bytes", filter=_READY, default=0),
    "pods": Sum("pods", filter=_READY, default=0),
    "used_cpu_milli": Sum("used_cpu_milli", filter=_READY, default=0),
    "used_memory_bytes": Sum("used_memory_bytes", filter=_READY, default=0),
    "used_pods": Sum("used_pods", filter=_READY, default=0),
}
# Aggregates must not shadow the model's own columns while the query is built.
_ALIASED = {f"sum_{name}": value for name, value in _SUMS.items()}


def totals_of(cluster_ids: Sequence[int]) -> dict[int, Capacity]:
    """Return cluster id -> totals of its nodes, by one query."""
    return {pk: add_up(zones.values()) for pk, zones in zones_of(cluster_ids).items()}


def zones_of(cluster_ids: Sequence[int]) -> dict[int, dict[str, Capacity]]:
    """Return cluster id -> zone -> totals, by one query; the zone is empty where unlabelled."""
    rows = (
        Node.objects.filter(cluster__in=cluster_ids)
        .order_by("zone")
        .values("cluster_id", "zone")
        .annotate(**_ALIASED)
    )
    found: dict[int, dict[str, Capacity]] = defaultdict(dict)
    for row in rows:
        found[row["cluster_id"]][row["zone"]] = _capacity(dict(row))
    return dict(found)


def _capacity(sums: dict[str, Any]) -> Capacity:
    return Capacity(**{name: int(sums[f"sum_{name}"]) for name in _SUMS})


@dataclass(frozen=True)
class PoolRow:
    """One cluster of the pool with its zones, by name."""

    cluster: Cluster
    liveness: Liveness
    capacity: Capacity
    zones: tuple[tuple[str, Capacity], ...]

    @property
    def status(self) -> Status:
        return LIVENESS[self.liveness.status]


@dataclass(frozen=True)
class PoolRegion:
    """One region: what its reachable clusters hold together. `name` is empty for none."""

    name: str
    capacity: Capacity
    clusters: int
    away: int


@dataclass(frozen=True)
class Pool:
    """All that the viewer's clusters hold. Clusters that can't be asked now count as nothing."""

    capacity: Capacity
    regions: tuple[PoolRegion, ...]

    @property
    def away(self) -> int:
        return sum(region.away for region in self.regions)


def pool(access: Access, region: str = "") -> Pool:
    """Return the viewer's pool by region, of one region if it is named; two queries."""
    visible = clusters_visible_to(access)
    if region:
        visible = visible.filter(region__name=region)
    there = _in_state(CONNECTED)
    counted = (
        visible.order_by("region__name")
        .values("region__name")
        .annotate(clusters=Count("pk"), there=Count("pk", filter=there))
    )
    sums = _sums_by_region(visible.filter(there))
    regions = tuple(
        PoolRegion(
            row["region__name"] or "",
            sums.get(row["region__name"] or "", NOTHING),
            row["clusters"],
            row["clusters"] - row["there"],
        )
        for row in counted
    )
    return Pool(add_up(part.capacity for part in regions), regions)


def _sums_by_region(clusters: QuerySet[Cluster]) -> dict[str, Capacity]:
    rows = (
        Node.objects.filter(cluster__in=clusters.values("pk"))
        .order_by()
        .values("cluster__region__name")
        .annotate(**_ALIASED)
    )
    return {row["cluster__region__name"] or "": _capacity(dict(row)) for row in rows}


def pool_rows(clusters: Iterable[Cluster], now: datetime) -> list[PoolRow]:
    """Return the clusters with what each zone holds; one query, however many there are."""
    found = list(clusters)
    zones = zones_of([cluster.pk for cluster in found])
    return [
        PoolRow(
            cluster,
            liveness_of(cluster, now),
            add_up(zones.get(cluster.pk, {}).values()),
            tuple(zones.get(cluster.pk, {}).items()),
        )
        for cluster in found
    ]


# One cluster's page.


@dataclass(frozen=True)
class NodeRow:
    node: Node
    status: Status


def nodes_of(cluster: Cluster) -> list[NodeRow]:
    return [
        NodeRow(node, NODE_READY if node.ready else NODE_NOT_READY) for node in cluster.nodes.all()
    ]


def events_of(cluster: Cluster, limit: int = 30) -> list[ClusterEvent]:
    return list(cluster.events.all()[:limit])


def join_progress(cluster: Cluster, now: datetime) -> list[Step]:
    """Return the steps from the command to the passed access test."""
    token = cluster.join_tokens.first()
    return join_steps(
        JoinFacts(
            fetched_at=token.fetched_at if token else None,
            reached_at=cluster.reached_at,
            connected_at=cluster.connected_at,
            is_there=not liveness_of(cluster, now).is_away,
            server_version=cluster.server_version,
            region=cluster.region.name if cluster.region else "",
            inventory_at=cluster.inventory_at,
            access_passed=cluster.access_passed,
            access_tested_at=cluster.access_tested_at,
        )
    )


def open_join_token(cluster: Cluster, now: datetime) -> JoinToken | None:
    """Return the token that an agent may still use, if there is one."""
    return cluster.join_tokens.filter(used_at=None, expires_at__gt=now).first()


def scopes_of(cluster: Cluster, access: Access | None = None) -> QuerySet[ProjectScope]:
    """Return which projects may use which namespaces; of a viewer, only their projects."""
    rows = ProjectScope.objects.filter(cluster=cluster).select_related("project")
    if access is not None:
        rows = rows.filter(access.projects(Role.VIEWER))
    return rows.order_by("project__slug")


def namespaces_of(cluster: Cluster) -> list[str]:
    """Return every namespace that some project may use there, sorted."""
    return sorted({name for scope in scopes_of(cluster) for name in scope.namespaces})


def projects_visible_to(access: Access) -> QuerySet[Project]:
    return Project.objects.filter(access.projects(Role.VIEWER, "pk"))


# Names in clusters.


def names_wanted(cluster: Cluster) -> ListedNames:
    """Return the fleet names that the cluster's manifest lists if it is printed now.

    Teams: those that hold a role on everything, or on a project with a scope in the cluster.
    """
    projects = [scope.project for scope in scopes_of(cluster)]
    teams = Team.objects.filter(
        Q(role_bindings__project=None) | Q(role_bindings__project__in=projects),
        role_bindings__isnull=False,
    )
    slugs = set(teams.values_list("slug", flat=True))
    return names_for(cluster.mode, slugs, {project.slug for project in projects})


def names_missing(cluster: Cluster) -> ListedNames:
    """Return what `names_wanted` has and the manifest last handed out had not."""
    wanted = names_wanted(cluster)
    users = set(cluster.listed_names.get("users", ()))
    groups = set(cluster.listed_names.get("groups", ()))
    return ListedNames(
        tuple(name for name in wanted.users if name not in users),
        tuple(name for name in wanted.groups if name not in groups),
    )


def may_reach(access: Access, cluster: Cluster, role: Role) -> bool:
    """Tell whether the viewer holds `role` on everything or on a project with a scope there."""
    if access.everywhere >= role:
        return True
    project_ids = access.project_ids(role) or frozenset()
    return ProjectScope.objects.filter(cluster=cluster, project__in=sorted(project_ids)).exists()
