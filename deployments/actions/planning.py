"""Plan a revision of an application for the fleet as it is now: rows in, domain Plan out."""

from collections.abc import Mapping

from deployments.blobs import load_content
from deployments.domain.content import Content
from deployments.domain.overrides import Override, apply_changes, resolve, without_missed
from deployments.domain.placement import ClusterFacts, read_selection
from deployments.domain.planner import Plan, plan_targets
from deployments.facts import cluster_facts, override_facts
from deployments.models import Application, Revision


def replicas_now(
    application: Application, content: Content, *, first_rollout: bool = False
) -> dict[str, int]:
    """Return the replica counts to use: as scaled since, else as the revision wrote them.

    With its first rollout a revision's own counts count, whatever was scaled before.
    """
    known = {str(item.ref.id) for item in content.objects}
    counts = {**content.replicas, **application.replicas}
    if first_rollout:
        counts |= content.replicas
    return {key: count for key, count in counts.items() if key in known}


def plan_revision(application: Application, revision: Revision, *, lenient: bool = False) -> Plan:
    """Return what each cluster gets of the revision. Raises Refusal."""
    content = load_content(revision)
    return plan_targets(
        content,
        replicas_now(application, content, first_rollout=not revision.rollouts.exists()),
        read_selection(application.placement, "placement"),
        override_facts(application.overrides.all()),
        cluster_facts(application.project_id),
        lenient=lenient,
    )


def replicas_by_cluster(
    application: Application, content: Content, clusters: Mapping[int, ClusterFacts]
) -> dict[int, dict[str, int]]:
    """Return cluster id -> replica counts of the content, by today's counts and overrides."""
    counts = replicas_now(application, content)
    overrides = [
        without_missed(override, content)
        for override in override_facts(application.overrides.all())
    ]
    return {
        cluster_id: _counts(content, counts, overrides, cluster)
        for cluster_id, cluster in clusters.items()
    }


def _counts(
    content: Content, counts: Mapping[str, int], overrides: list[Override], cluster: ClusterFacts
) -> dict[str, int]:
    active = [override for override in overrides if override.selection.picks(cluster)]
    changes = [change for change in resolve(active, content) if change.path == "spec.replicas"]
    return apply_changes(content, changes, counts)[1]
