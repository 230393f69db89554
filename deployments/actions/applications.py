"""What people change about an application: that it is there, its content, where it goes."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from clusters.domain.objects import KubeObject
from clusters.models import ProjectScope, Region
from deployments.actions.audited import Actor, audited
from deployments.actions.editing import actor_name, editable
from deployments.actions.scaling import set_counts
from deployments.blobs import store_objects
from deployments.domain.content import Content, read_content
from deployments.domain.placement import check_names, read_selection
from deployments.facts import cluster_facts
from deployments.models import Application, Revision
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
            set_counts(actor, application, {**application.replicas, **content.replicas})
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
