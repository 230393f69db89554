"""Applications of the portal's own, such as the mesh's objects: content that differs by cluster."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deployments.actions.applications import add_revision
from deployments.actions.audited import Actor
from deployments.actions.deleting import drop_if_finished
from deployments.actions.wishes import Wish, set_wishes
from deployments.blobs import store_objects
from deployments.domain.content import Content, digest_of_objects, read_content
from deployments.models import Application, Revision
from deployments.texts import refusals
from fleet_portal.common.audit import record
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import Project

KEPT_REVISIONS = 20


def set_system_application(
    name: str,
    namespace: str,
    project_slug: str,
    manifests_by_cluster: Mapping[int, Sequence[Mapping[str, Any]]],
    actor: Actor,
) -> Application:
    """Make the manifests (cluster id -> objects) what the system application is, at once.

    A cluster that is missing or has no objects loses it. Nothing happens when nothing differs;
    else there is a new revision. Raises ActionRefused when an application of people has the name.
    """
    with transaction.atomic(), refusals():
        application = _application(name, namespace, project_slug, actor)
        contents = {
            cluster_id: read_content(objects, namespace)
            for cluster_id, objects in sorted(manifests_by_cluster.items())
            if objects
        }
        if contents and application.deleting_at is not None:
            application.deleting_at = None
            application.save(update_fields=["deleting_at"])
        revision = _revision(actor, application, contents)
        wishes = {
            cluster_id: Wish(content.digest, revision, content.replicas)
            for cluster_id, content in contents.items()
        }
        gone = application.targets.exclude(cluster__in=list(wishes))
        set_wishes(application, wishes, gone.values_list("cluster_id", flat=True))
    return application


def remove_system_application(application: Application, actor: Actor) -> bool:
    """Take a system application away everywhere; return True when it is gone already."""
    with transaction.atomic():
        set_system_application(
            application.name, application.namespace, application.project.slug, {}, actor
        )
        application.refresh_from_db()
        application.deleting_at = application.deleting_at or timezone.now()
        application.save(update_fields=["deleting_at"])
        return drop_if_finished(application)


def _application(name: str, namespace: str, project_slug: str, actor: Actor) -> Application:
    project = Project.objects.get(slug=project_slug)
    application, created = Application.objects.get_or_create(
        project=project, name=name, defaults={"namespace": namespace, "system": True}
    )
    if not application.system:
        raise ActionRefused(
            _("Project %(project)s has an application %(name)s of its own: rename that one.")
            % {"project": project.slug, "name": name}
        )
    if created:
        record(actor, "application.create", application, project=project)
        announce("application", application.pk, members=True)
    return application


def _revision(actor: Actor, application: Application, contents: dict[int, Content]) -> Revision:
    by_cluster = {str(cluster_id): content.digest for cluster_id, content in contents.items()}
    latest = application.revisions.first()
    if latest is not None and latest.by_cluster == by_cluster:
        return latest
    for content in contents.values():
        store_objects(content.digest, content.objects)
    everything = [item for content in contents.values() for item in content.objects]
    digest = digest_of_objects({item.digest: item.as_json() for item in everything}.values())
    revision = add_revision(actor, application, digest, by_cluster=by_cluster)
    kept = application.revisions.values_list("pk", flat=True)[:KEPT_REVISIONS]
    application.revisions.exclude(pk__in=list(kept)).filter(targets=None).delete()
    return revision
