"""What people change about an application: its content, where it goes, how many; its end."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.domain.objects import KubeObject
from clusters.models import ProjectScope, Region
from deployments.actions.audited import Actor, audited
from deployments.actions.planning import replicas_by_cluster
from deployments.actions.wishes import Wish, set_wishes
from deployments.blobs import load_content, store_objects
from deployments.domain.content import MAX_REPLICAS, Content, read_content
from deployments.domain.overrides import changes_of, resolve
from deployments.domain.placement import check_names, read_selection
from deployments.domain.rollout import OPEN, next_state
from deployments.facts import cluster_facts, override_facts
from deployments.models import Application, Override, Revision, Rollout, Target
from deployments.parsing import parse_in_side_process
from fleet_portal.common.audit import record
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import Project, User

Manifests = str | Sequence[KubeObject]


@audited("application.create")
def create_application(
    actor: Actor,
    project: Project,
    *,
    name: str,
    namespace: str,
    manifests: Manifests | None = None,
    placement: Mapping[str, Any] | None = None,
    note: str = "",
) -> Application:
    """Create an application, with its first revision and its placement where they are given."""
    application = Application(project=project, name=name, namespace=namespace)
    _validate(application)
    if Application.objects.filter(project=project, name=name).exists():
        raise ActionRefused(
            _("Project %(project)s has an application %(name)s already: choose another name.")
            % {"project": project.slug, "name": name},
            "name",
        )
    _check_namespace(application)
    application.save()
    record(actor, "application.create", application, project=project)
    if placement is not None:
        _set_placement(actor, application, placement)
    if manifests is not None:
        _save_revision(actor, application, manifests, note)
    announce("application", application.pk, members=True)
    return application


def _validate(application: Application) -> None:
    try:
        application.clean_fields(exclude=["project"])
    except ValidationError as error:
        field, sentences = next(iter(error.message_dict.items()))
        raise ActionRefused(sentences[0], field) from None


def allowed_namespaces(project: Project) -> set[str]:
    """Return the namespaces that the project may use on any cluster."""
    scopes = ProjectScope.objects.filter(project=project).values_list("namespaces", flat=True)
    return {namespace for namespaces in scopes for namespace in namespaces}


def _check_namespace(application: Application) -> None:
    allowed = allowed_namespaces(application.project)
    if application.namespace in allowed:
        return
    if not allowed:
        raise ActionRefused(
            _(
                "Project %(project)s may use no namespace of any cluster yet: an administrator"
                " names them on a cluster's page."
            )
            % {"project": application.project.slug},
            "namespace",
        )
    raise ActionRefused(
        _("Project %(project)s may not use namespace %(namespace)s. It may use: %(allowed)s.")
        % {
            "project": application.project.slug,
            "namespace": application.namespace,
            "allowed": ", ".join(sorted(allowed)[:8]),
        },
        "namespace",
    )


@audited("application.revise")
def save_revision(
    actor: Actor, application: Application, manifests: Manifests, note: str = ""
) -> Revision:
    """Save a new numbered revision and return it.

    Content that equals the latest revision's makes none: the latest is returned, and replica
    counts that differ from it are applied as a scaling once it was rolled out.
    """
    return _save_revision(actor, editable(application), manifests, note)


def _save_revision(
    actor: Actor, application: Application, manifests: Manifests, note: str
) -> Revision:
    content = read_manifests(application, manifests)
    latest = application.revisions.first()
    digest = content.digest
    if latest is not None and latest.digest == digest:
        if latest.replicas == content.replicas:
            return latest
        if latest.rollouts.exists():
            _scale(actor, application, {**application.replicas, **content.replicas})
            return latest
    store_objects(digest, content.objects)
    revision = add_revision(actor, application, digest, note, replicas=dict(content.replicas))
    return revision


def add_revision(
    actor: Actor, application: Application, digest: str, note: str = "", **values: Any
) -> Revision:
    """Number and save a revision of stored content, with its entry and announcement."""
    # The row is locked so that two authors never get the same number.
    Application.objects.select_for_update().get(pk=application.pk)
    last = application.revisions.aggregate(last=Max("number"))["last"] or 0
    revision = Revision.objects.create(
        application=application,
        number=last + 1,
        digest=digest,
        note=note[:200],
        author=actor if isinstance(actor, User) else None,
        author_name=actor_name(actor),
        **values,
    )
    record(
        actor,
        "application.revise",
        application,
        project=application.project,
        detail={"revision": revision.number, "digest": digest},
    )
    announce("application", application.pk)
    return revision


def read_manifests(application: Application, manifests: Manifests) -> Content:
    """Return the checked content of manifests given as YAML or as objects. Raises Refusal."""
    objects = parse_in_side_process(manifests) if isinstance(manifests, str) else manifests
    allowed = None if application.system else allowed_namespaces(application.project)
    return read_content(objects, application.namespace, allowed)


def actor_name(actor: Actor) -> str:
    return (actor.username if isinstance(actor, User) else str(actor or "anonymous"))[:150]


def editable(application: Application) -> Application:
    """Return the application as its row is now; refuse what can't be edited by hand."""
    application = Application.objects.select_related("project").get(pk=application.pk)
    if application.system:
        raise ActionRefused(
            _("%(name)s is the portal's own application: it follows what it is made from.")
            % {"name": application.name}
        )
    if application.deleting_at is not None:
        raise ActionRefused(_("%(name)s is being deleted.") % {"name": application.name})
    return application


@audited("application.place")
def set_placement(
    actor: Actor, application: Application, placement: Mapping[str, Any]
) -> Application:
    """Set which clusters the application should be in; the next rollout takes it there."""
    return _set_placement(actor, editable(application), placement)


def _set_placement(
    actor: Actor, application: Application, placement: Mapping[str, Any]
) -> Application:
    selection = read_selection(placement, "placement")
    clusters = cluster_facts(application.project_id)
    check_names(selection, clusters, _region_names(), "placement")
    if not selection.clusters and not selection.by_rule:
        raise ActionRefused(
            _("The placement is empty: name clusters, regions or conditions on labels."),
            "placement",
        )
    if not any(selection.picks(cluster) for cluster in clusters):
        raise ActionRefused(
            _(
                "The placement matches none of the %(count)d clusters: change its names, regions"
                " or conditions on labels."
            )
            % {"count": len(clusters)},
            "placement",
        )
    application.placement = {key: value for key, value in placement.items() if value}
    application.save(update_fields=["placement"])
    record(
        actor,
        "application.place",
        application,
        project=application.project,
        detail=application.placement,
    )
    announce("application", application.pk)
    return application


def _region_names() -> list[str]:
    return list(Region.objects.values_list("name", flat=True))


@audited("application.override")
def set_overrides(
    actor: Actor, application: Application, overrides: Sequence[Mapping[str, Any]]
) -> list[Override]:
    """Replace all overrides; replica counts among them count at once, the rest with a rollout.

    `overrides`: [{"name", "priority", "selector": {…}, "operations": […]}]. Each must hit a
    cluster, and something in the latest revision where there is one.
    """
    application = editable(application)
    rows = [_override_row(application, given) for given in overrides]
    if len({row.name for row in rows}) < len(rows):
        raise ActionRefused(_("Two overrides have the same name: rename one."), "overrides")
    _check_overrides(application, rows)
    application.overrides.all().delete()
    Override.objects.bulk_create(rows)
    detail = {"overrides": [row.name for row in rows]}
    record(actor, "application.override", application, project=application.project, detail=detail)
    refresh_replicas(application)
    announce("application", application.pk)
    return rows


def _override_row(application: Application, given: Mapping[str, Any]) -> Override:
    if not isinstance(given, Mapping):
        raise ActionRefused(_("An override is a mapping with name, selector, operations."))
    priority = given.get("priority") or 0
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > 1_000_000:
        raise ActionRefused(_("An override's priority is a whole number."), "overrides")
    row = Override(
        application=application,
        name=str(given.get("name") or ""),
        priority=priority,
        selector=given.get("selector") or {},
        operations=given.get("operations") or [],
    )
    try:
        row.clean_fields(exclude=["application", "selector", "operations"])
    except ValidationError as error:
        sentence = next(iter(error.message_dict.values()))[0]
        raise ActionRefused(
            _("Override “%(name)s”: %(sentence)s") % {"name": row.name[:60], "sentence": sentence},
            "overrides",
        ) from None
    return row


def _check_overrides(application: Application, rows: list[Override]) -> None:
    clusters = cluster_facts(application.project_id)
    latest = application.revisions.first()
    content = load_content(latest) if latest else None
    overrides = override_facts(rows)
    for override in overrides:
        check_names(override.selection, clusters, _region_names(), "overrides")
        if not any(override.selection.picks(cluster) for cluster in clusters):
            raise ActionRefused(
                _("Override %(name)s hits none of the clusters: change its clusters.")
                % {"name": override.name},
                "overrides",
            )
        if content is not None:
            changes_of(override, content)
    if content is None:
        return
    for cluster in clusters:
        resolve([item for item in overrides if item.selection.picks(cluster)], content)


@audited("application.scale")
def scale_application(
    actor: Actor, application: Application, replicas: Mapping[str, int]
) -> Application:
    """Set replica counts (object id -> count) at once: no revision, no waves."""
    application = editable(application)
    latest = application.revisions.first()
    known = {str(item.ref.id) for item in load_content(latest).objects} if latest else set()
    for key, count in replicas.items():
        if key not in known:
            raise ActionRefused(
                _("The latest revision has no %(key)s to scale.") % {"key": str(key)[:120]},
                "replicas",
            )
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MAX_REPLICAS:
            raise ActionRefused(
                _("A replica count is a whole number from 0 to %(most)d.") % {"most": MAX_REPLICAS},
                "replicas",
            )
    return _scale(actor, application, {**application.replicas, **replicas})


def _scale(actor: Actor, application: Application, counts: dict[str, int]) -> Application:
    application.replicas = counts
    application.save(update_fields=["replicas"])
    record(
        actor, "application.scale", application, project=application.project, detail=dict(counts)
    )
    refresh_replicas(application)
    announce("application", application.pk)
    return application


def refresh_replicas(application: Application) -> None:
    """Give every Target the replica counts of today; paused rollouts never hold scaling back."""
    clusters = {cluster.id: cluster for cluster in cluster_facts(application.project_id)}
    targets = Target.objects.filter(application=application, removing=False)
    by_revision: dict[Revision, list[Target]] = {}
    for target in targets.select_related("revision"):
        if target.revision is not None and target.cluster_id in clusters:
            by_revision.setdefault(target.revision, []).append(target)
    for revision, rows in by_revision.items():
        there = {target.cluster_id: clusters[target.cluster_id] for target in rows}
        counts = replicas_by_cluster(application, load_content(revision), there)
        wishes = {
            target.cluster_id: Wish(target.desired_digest, revision, counts[target.cluster_id])
            for target in rows
        }
        set_wishes(application, wishes)


@audited("application.delete")
def delete_application(actor: Actor, application: Application) -> bool:
    """Take the application away from every cluster; return True when it is gone already.

    Its rows stay until each agent has confirmed, so that a cluster that is away is not forgotten.
    """
    application = Application.objects.select_for_update().get(pk=application.pk)
    for rollout in Rollout.objects.filter(application=application, state__in=OPEN):
        close_rollout(rollout, "abort")
    application.deleting_at = application.deleting_at or timezone.now()
    application.save(update_fields=["deleting_at"])
    set_wishes(application, {}, application.targets.values_list("cluster_id", flat=True))
    record(actor, "application.delete", application, project=application.project)
    announce("application", application.pk, members=True)
    return drop_if_finished(application)


def close_rollout(rollout: Rollout, event: str) -> None:
    """Move an open rollout to the end state of `event`."""
    state = next_state(rollout.state, event)
    if state is None:
        return
    now = timezone.now()
    rollout.state, rollout.state_since = state, now
    if state not in OPEN:
        rollout.finished_at = now
    rollout.save(update_fields=["state", "state_since", "finished_at"])
    announce("rollout", rollout.pk, members=True)
    announce("application", rollout.application_id)


def drop_if_finished(application: Application) -> bool:
    """Delete the rows of an application that is being deleted and is nowhere any more."""
    if application.deleting_at is None or application.targets.exists():
        return False
    pk = application.pk
    record("controller:rollouts", "application.deleted", application, project=application.project)
    application.delete()
    announce("application", pk, members=True)
    return True


def finish_deletions() -> None:
    """Drop what waits for nobody: clusters that left the fleet confirm nothing."""
    waiting = Application.objects.filter(deleting_at__isnull=False, targets=None)
    for application in waiting.select_related("project"):
        drop_if_finished(application)
