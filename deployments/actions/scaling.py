"""Replica counts: they change at once, without a revision and without waves."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from deployments.actions.audited import Actor, audited
from deployments.actions.editing import editable
from deployments.actions.planning import replicas_by_cluster
from deployments.actions.wishes import Wish, set_wishes
from deployments.blobs import load_content
from deployments.domain.content import MAX_REPLICAS
from deployments.facts import cluster_facts
from deployments.models import Application, Revision, Target
from fleet_portal.common.audit import record
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce


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
    return set_counts(actor, application, {**application.replicas, **replicas})


def set_counts(actor: Actor, application: Application, counts: dict[str, int]) -> Application:
    """Make these the application's counts (object id -> count) everywhere."""
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
