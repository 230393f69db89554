"""Where regions stand and how they came there: the board and the lanes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from clusters.models import Cluster, Region
from fleet_portal.common.access import Access, Role
from fleet_portal.common.statuses import Status
from mesh.domain.picture import Band, place_band
from mesh.domain.states import CAUSES
from mesh.domain.statuses import STATES, UNKNOWN
from mesh.models import RegionState, ServiceRegionState, StatePeriod
from mesh.queries.traffic import Matrix, clusters_seen, is_fresh, matrix, names_visible_to

WINDOWS = {"60": timedelta(hours=1), "360": timedelta(hours=6), "1440": timedelta(days=1)}
DEFAULT_WINDOW = "60"
MAX_BANDS = 400


def cause_text(cause: str, evidence: Mapping[str, str]) -> str:
    """Return the cause as a sentence part in the viewer's language; missing numbers show as ?."""
    numbers: dict[str, str] = defaultdict(lambda: "?", evidence)
    return gettext(CAUSES[cause]) % numbers if cause in CAUSES else cause


@dataclass(frozen=True)
class RegionRow:
    """One region on the board. Rates a second; `arriving` counts every caller's requests."""

    region: Region
    status: Status
    since: datetime | None
    cause: str
    sampled_at: datetime | None
    known: bool
    clusters: int
    silent: list[str]
    arriving: float
    arriving_error_percent: float | None
    sent: float
    elsewhere_percent: float | None


def board(access: Access, now: datetime) -> list[RegionRow]:
    """Return every region that has clusters. A state whose numbers grew old shows as unknown."""
    clusters = list(Cluster.objects.select_related("region", "mesh").exclude(region=None))
    seen = clusters_seen(clusters)
    states = {row.region_id: row for row in RegionState.objects.all()}
    numbers, names = matrix(access, now), names_visible_to(access)
    regions = {cluster.region.pk: cluster.region for cluster in clusters if cluster.region}
    rows = []
    for region in sorted(regions.values(), key=lambda region: region.name):
        mine = [cluster for cluster in seen if cluster.region == region.name]
        silent = sorted(cluster.name for cluster in mine if not is_fresh(cluster, now))
        row = _row(region, states.get(region.pk), len(mine), silent, numbers)
        rows.append(replace(row, silent=[name for name in silent if name in names]))
    return rows


def _row(
    region: Region, state: RegionState | None, clusters: int, silent: list[str], numbers: Matrix
) -> RegionRow:
    known = len(silent) < clusters
    status, since, cause = UNKNOWN, None, cause_text("never", {})
    if state is not None:
        status, since = STATES[state.state], state.since
        cause = cause_text(state.cause, state.evidence)
        if not known and state.state != UNKNOWN.value:
            # The observer itself may be down: a row can't know that it is old.
            status, since, cause = UNKNOWN, state.sampled_at, cause_text("stale", {})
    row = next(row for row in numbers.rows if row.region == region.name)
    arriving = [
        cell
        for other in numbers.rows
        for cell in other.cells
        if cell.destination == region.name and cell.known
    ]
    total = sum(cell.requests for cell in arriving)
    errors = sum(cell.requests * (cell.error_percent or 0.0) for cell in arriving)
    sent = sum(cell.requests for cell in row.cells)
    elsewhere = sum(cell.requests for cell in row.cells if cell.leaves)
    return RegionRow(
        region=region,
        status=status,
        since=since,
        cause=cause,
        sampled_at=row.sampled_at,
        known=known,
        clusters=clusters,
        silent=silent,
        arriving=total,
        arriving_error_percent=errors / total if total else None,
        sent=sent,
        elsewhere_percent=100 * elsewhere / sent if sent else None,
    )


@dataclass(frozen=True)
class LaneBand:
    """One period in a lane: where it stands, and the same in words."""

    band: Band
    status: Status
    cause: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Lane:
    region: str
    bands: list[LaneBand]


@dataclass(frozen=True)
class Lanes:
    since: datetime
    until: datetime
    lanes: list[Lane]


def lanes(now: datetime, window: str = DEFAULT_WINDOW, service_id: int | None = None) -> Lanes:
    """Return one lane per region, of the regions themselves or of one service in them."""
    since = now - WINDOWS.get(window, WINDOWS[DEFAULT_WINDOW])
    periods = (
        StatePeriod.objects.filter(service_id=service_id)
        .filter(Q(ended_at__isnull=True) | Q(ended_at__gt=since))
        .select_related("region")
        .order_by("region__name", "-started_at")[:MAX_BANDS]
    )
    by_region: dict[str, list[LaneBand]] = defaultdict(list)
    for period in periods:
        band = _band(period, since, now)
        if band is not None:
            by_region[period.region.name].append(band)
    return Lanes(since, now, [Lane(name, bands) for name, bands in sorted(by_region.items())])


def _band(period: StatePeriod, since: datetime, now: datetime) -> LaneBand | None:
    ended = period.ended_at.timestamp() if period.ended_at else None
    place = place_band(period.started_at.timestamp(), ended, since.timestamp(), now.timestamp())
    if place is None:
        return None
    cause = cause_text(period.cause, period.evidence)
    return LaneBand(place, STATES[period.state], cause, period.started_at, period.ended_at)


def periods_visible_to(access: Access) -> QuerySet[StatePeriod]:
    """Return the history of regions, and of the services that the viewer may see."""
    rows = StatePeriod.objects.select_related("region", "service")
    if not access.sees_anything:
        return rows.none()
    ids = access.project_ids(Role.VIEWER)
    if ids is None:
        return rows
    return rows.filter(Q(service__isnull=True) | Q(service__project__in=sorted(ids)))


@dataclass(frozen=True)
class ServiceState:
    """One service in one region, for its page."""

    region: str
    status: Status
    since: datetime
    cause: str
    sampled_at: datetime | None


def states_of(service_id: int) -> list[ServiceState]:
    rows = ServiceRegionState.objects.filter(service_id=service_id).select_related("region")
    return [
        ServiceState(
            row.region.name,
            STATES[row.state],
            row.since,
            cause_text(row.cause, row.evidence),
            row.sampled_at,
        )
        for row in rows
    ]
