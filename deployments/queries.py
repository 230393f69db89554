"""Every read of the app, limited to what the viewer may see: by project, with a role there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext

from clusters.domain.liveness import Liveness, judge_liveness
from clusters.domain.objects import ref_of
from clusters.domain.statuses import LIVENESS
from clusters.models import Cluster, ProjectScope
from deployments import facts
from deployments.blobs import entries_of, load_objects
from deployments.domain import statuses
from deployments.domain.diffs import readable_yaml
from deployments.domain.ownership import with_replicas
from deployments.domain.placement import Decision, choose_clusters, read_selection
from deployments.domain.rollout import OPEN, RolloutFacts
from deployments.domain.sentences import Refusal
from deployments.domain.waiting import explain
from deployments.domain.words import Health, Sync
from deployments.facts import cluster_facts, override_facts
from deployments.models import (
    Application,
    DesiredSet,
    Revision,
    Rollout,
    Target,
)
from deployments.texts import say
from fleet_portal.common.access import Access, Role
from fleet_portal.common.errors import NotVisible
from fleet_portal.common.models import Project
from fleet_portal.common.statuses import Status

_BAD_HEALTH = (Health.DEGRADED.value, Health.FAILED.value)
_IN_SYNC = (Sync.SYNCED.value,)


@dataclass(frozen=True)
class ApplicationFilter:
    """What the list is narrowed to; empty means anything. `state`: well, working, troubled."""

    text: str = ""
    project: str = ""
    state: str = ""
    system: bool = False

    @property
    def is_narrow(self) -> bool:
        return bool(self.text or self.project or self.state or self.system)


@dataclass(frozen=True)
class TargetRow:
    """One cell of the matrix: a target with what its cluster's liveness makes of it.

    `health` is unknown while the cluster is away: the last value is never shown in green.
    """

    target: Target
    liveness: Liveness
    sync: Status
    health: Status
    sending: str = ""

    @property
    def liveness_status(self) -> Status:
        return LIVENESS[self.liveness.status]

    @property
    def reason(self) -> str:
        return gettext(statuses.REASONS.get(self.target.reason, self.target.reason))

    @property
    def revision_there(self) -> bool:
        return self.target.observed_digest == self.target.desired_digest

    @property
    def drift(self) -> list[tuple[str, str]]:
        """Return (object, field) pairs that differ from what is wanted."""
        return [
            (f"{seen.get('kind')} {seen.get('name')}", str(path))
            for seen in self.target.objects_seen
            for path in seen.get("drift") or []
        ]

    @property
    def troubled_objects(self) -> list[dict[str, Any]]:
        """Return the objects that are not in place or not well, with their status words."""
        return [
            {**seen, "sync_status": _sync(seen), "health_status": _health(seen)}
            for seen in self.target.objects_seen
            if seen.get("message")
            or seen.get("sync") != Sync.SYNCED
            or seen.get("health") not in (Health.HEALTHY, Health.SUSPENDED)
        ]


def _sync(seen: dict[str, Any]) -> Status:
    return statuses.SYNC[seen["sync"]] if seen.get("sync") in statuses.SYNC else UNKNOWN_HEALTH


def _health(seen: dict[str, Any]) -> Status:
    known = seen.get("health") in statuses.HEALTH
    return statuses.HEALTH[seen["health"]] if known else UNKNOWN_HEALTH


UNKNOWN_HEALTH = statuses.HEALTH[Health.UNKNOWN]


@dataclass(frozen=True)
class DecisionRow:
    """Whether a cluster gets the application, why, and which overrides change it there."""

    decision: Decision
    why: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class WaitRow:
    """Why a rollout waits, in the viewer's language."""

    sentence: str
    since: datetime | None
    until: datetime | None


# Applications.


def applications_visible_to(access: Access) -> QuerySet[Application]:
    """Return the applications of the viewer's projects."""
    return Application.objects.select_related("project").filter(access.projects(Role.VIEWER))


def application_visible_to(access: Access, project: str, name: str) -> Application:
    """Return one application; raises NotVisible, whether it is hidden or absent."""
    found = applications_visible_to(access).filter(project__slug=project, name=name).first()
    if found is None:
        raise NotVisible
    return found


def projects_operated_by(access: Access) -> QuerySet[Project]:
    """Return the projects on which the viewer may change what runs."""
    return Project.objects.filter(access.projects(Role.OPERATOR, "pk"))


def projects_viewed_by(access: Access) -> QuerySet[Project]:
    return Project.objects.filter(access.projects(Role.VIEWER, "pk"))


def namespaces_of(projects: QuerySet[Project]) -> list[str]:
    """Return the namespaces that the projects may use on any cluster."""
    scopes = ProjectScope.objects.filter(project__in=projects)
    found = scopes.values_list("namespaces", flat=True)
    return sorted({namespace for namespaces in found for namespace in namespaces})


def applications_matching(access: Access, wanted: ApplicationFilter) -> QuerySet[Application]:
    """Return the visible applications that the filter lets through, with their counts.

    Each row carries `target_count`, `well_count`, `troubled_count`, `latest_revision` and
    `open_rollout` (an id or None).
    """
    rows = applications_visible_to(access).filter(system=wanted.system)
    if wanted.text:
        rows = rows.filter(
            Q(name__icontains=wanted.text)
            | Q(namespace__icontains=wanted.text)
            | Q(project__slug__icontains=wanted.text)
        )
    if wanted.project:
        rows = rows.filter(project__slug=wanted.project)
    counted: Any = _counted(rows)
    if wanted.state == "troubled":
        counted = counted.filter(troubled_count__gt=0)
    elif wanted.state == "well":
        counted = counted.filter(troubled_count=0, target_count__gt=0).filter(
            well_count=F("target_count")
        )
    elif wanted.state == "working":
        counted = counted.exclude(open_rollout=None)
    found: QuerySet[Application] = counted.order_by("project__slug", "name")
    return found


def applications_counted(access: Access) -> QuerySet[Application]:
    """Return all visible applications with the counts of `applications_matching`."""
    return _counted(applications_visible_to(access))


def _counted(rows: QuerySet[Application]) -> QuerySet[Application]:
    well = Q(
        targets__sync__in=_IN_SYNC,
        targets__health__in=[Health.HEALTHY.value, Health.SUSPENDED.value],
    )
    troubled = Q(targets__sync=Sync.BLOCKED.value) | Q(targets__health__in=_BAD_HEALTH)
    latest = Revision.objects.filter(application=OuterRef("pk")).values("number")[:1]
    running = Rollout.objects.filter(application=OuterRef("pk"), state__in=OPEN).values("pk")[:1]
    return rows.annotate(
        target_count=Count("targets"),
        well_count=Count("targets", filter=well),
        troubled_count=Count("targets", filter=troubled),
        latest_revision=Subquery(latest),
        open_rollout=Subquery(running),
    )


def targets_of(application: Application) -> QuerySet[Target]:
    """Return the application's targets with cluster, region and revision."""
    return Target.objects.filter(application=application).select_related(
        "cluster__region", "revision", "last_good_revision"
    )


def target_rows(application: Application, targets: Iterable[Target]) -> list[TargetRow]:
    """Return targets as the matrix shows them (one query for all)."""
    found = list(targets)
    now = timezone.now()
    sending = dict(
        DesiredSet.objects.filter(project=application.project_id)
        .exclude(reason="")
        .values_list("cluster_id", "message")
    )
    return [_target_row(target, now, sending.get(target.cluster_id, "")) for target in found]


def _target_row(target: Target, now: datetime, sending: str) -> TargetRow:
    liveness = judge_liveness(target.cluster.tunnel_facts, now)
    sync = target.sync if target.sync in statuses.SYNC else statuses.PENDING
    health = target.health if target.health in statuses.HEALTH else Health.UNKNOWN.value
    if not liveness.is_there:
        health = Health.UNKNOWN.value
    return TargetRow(target, liveness, statuses.SYNC[sync], statuses.HEALTH[health], sending)


def health_counts(application: Application) -> tuple[list[tuple[Status, int]], int]:
    """Return each health word that occurs with its number of clusters, and how many are away."""
    counts, away = facts.health_counts(application.pk)
    return [
        (status, counts[status.value]) for status in statuses.HEALTH if status.value in counts
    ], away


def revisions_of(application: Application) -> QuerySet[Revision]:
    """Return the revisions, newest first, each with `running_count`: clusters that want it."""
    return (
        application.revisions.select_related("author")
        .annotate(running_count=Count("targets", filter=Q(targets__removing=False)))
        .order_by("-number")
    )


def revision_of(application: Application, number: int) -> Revision:
    """Return one revision; raises NotVisible when there is none."""
    found = application.revisions.filter(number=number).first()
    if found is None:
        raise NotVisible
    return found


def revision_yaml(revision: Revision, *, replicas: bool = False) -> str:
    """Return the objects of a revision as YAML; `replicas`: with the counts it was written with."""
    digests = [*revision.by_cluster.values()] if revision.by_cluster else [revision.digest]
    entries = {entry["digest"]: entry for found in entries_of(digests).values() for entry in found}
    objects = load_objects(entries.values())
    if replicas:
        counts = [revision.replicas.get(str(ref_of(obj).id)) for obj in objects]
        pairs = zip(objects, counts, strict=True)
        objects = [obj if count is None else with_replicas(obj, count) for obj, count in pairs]
    return "---\n".join(readable_yaml(obj) for obj in objects)


def decisions_of(application: Application) -> tuple[list[DecisionRow], str]:
    """Return a row for each cluster, and the sentence why nothing is chosen ("" when some are).

    Judged for the namespaces of the latest revision, or the application's own before there is one.
    """
    clusters = cluster_facts(application.project_id)
    try:
        selection = read_selection(application.placement, "placement")
        overrides = override_facts(application.overrides.all())
        decisions = choose_clusters(selection, clusters, _namespaces(application))
    except Refusal as refusal:
        return [], say(refusal.sentence)
    rows = []
    for decision in decisions:
        names = [item.name for item in overrides if item.selection.picks(decision.cluster)]
        rows.append(
            DecisionRow(decision, say(decision.why), tuple(names) if decision.chosen else ())
        )
    return rows, ""


def _namespaces(application: Application) -> set[str]:
    latest = application.revisions.first()
    if latest is None:
        return {application.namespace}
    return {entry["namespace"] for entry in entries_of([latest.digest]).get(latest.digest, [])}


# Rollouts.


def rollouts_visible_to(access: Access) -> QuerySet[Rollout]:
    """Return the rollouts of the viewer's projects, newest first."""
    return Rollout.objects.filter(
        access.projects(Role.VIEWER, "application__project")
    ).select_related("application__project", "revision")


def rollout_visible_to(access: Access, pk: int) -> Rollout:
    """Return one rollout; raises NotVisible, whether it is hidden or absent."""
    found = rollouts_visible_to(access).filter(pk=pk).first()
    if found is None:
        raise NotVisible
    return found


def rollouts_counted(rollouts: QuerySet[Rollout]) -> QuerySet[Rollout]:
    """Return the rollouts with `cluster_count` and `passed_count`."""
    passed = [statuses.SOAKED, statuses.REMOVED]
    return rollouts.annotate(
        cluster_count=Count("waves__targets"),
        passed_count=Count("waves__targets", filter=Q(waves__targets__state__in=passed)),
    ).order_by("-id")


def waits_of(rollout: RolloutFacts) -> list[WaitRow]:
    """Return why the rollout waits, in sentences of the viewer's language."""
    return [WaitRow(say(wait.sentence), wait.since, wait.until) for wait in explain(rollout)]


def troubled_targets(access: Access, most: int) -> list[Target]:
    """Return targets that are refused or ill, for the home page."""
    rows = Target.objects.filter(
        access.projects(Role.VIEWER, "application__project"),
        Q(sync=Sync.BLOCKED.value) | Q(health__in=_BAD_HEALTH),
    )
    return list(rows.select_related("application__project", "cluster")[:most])


def clusters_known(access: Access) -> QuerySet[Cluster]:
    """Return the clusters that projects of the viewer may use, for choices in forms."""
    ids = access.project_ids(Role.VIEWER)
    rows = Cluster.objects.select_related("region")
    return rows if ids is None else rows.filter(scopes__project__in=sorted(ids)).distinct()
