"""Change what is wanted in clusters: Targets, and the DesiredSets that carry them.

The one place that writes a wish. A set's sequence grows in the transaction of the change, so the
dispatch loop finds it dirty however often a hint is lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import F

from deployments.domain import statuses
from deployments.models import Application, DesiredSet, Revision, Target
from fleet_portal.common.live.topics import announce
from fleet_portal.common.loop import wake

DISPATCH_LOOP = "dispatch"


@dataclass(frozen=True)
class Wish:
    """What one cluster should have of an application; `digest` names a stored Rendering."""

    digest: str
    revision: Revision
    replicas: Mapping[str, int] = field(default_factory=dict)


def set_wishes(
    application: Application, wishes: Mapping[int, Wish], removals: Iterable[int] = ()
) -> list[int]:
    """Make `wishes` (cluster id -> Wish) and removals (cluster ids) what is wanted there.

    Other clusters keep what they have. Returns the ids of the clusters where anything changed.
    Must run in a transaction.
    """
    removed = set(removals)
    targets = {
        target.cluster_id: target
        for target in Target.objects.filter(
            application=application, cluster__in=[*wishes, *removed]
        )
    }
    changed = [target for target in targets.values() if target.cluster_id in removed]
    changed = [target for target in changed if not target.removing]
    for target in changed:
        target.removing, target.sync = True, statuses.REMOVING
    new: list[Target] = []
    for cluster_id, wish in wishes.items():
        known = targets.get(cluster_id)
        if known is None:
            new.append(_filled(Target(application=application, cluster_id=cluster_id), wish))
        elif not _fulfils(known, wish):
            changed.append(_filled(known, wish))
        elif known.revision_id != wish.revision.pk:
            # The same content under a newer number: nothing to send.
            known.revision = wish.revision
            known.save(update_fields=["revision"])
    _save(application, new, changed)
    return [target.cluster_id for target in [*new, *changed]]


def _fulfils(target: Target, wish: Wish) -> bool:
    return (
        not target.removing
        and target.desired_digest == wish.digest
        and target.replicas == dict(wish.replicas)
    )


def _filled(target: Target, wish: Wish) -> Target:
    if target.desired_digest != wish.digest or target.removing:
        target.sync = statuses.PENDING
    target.desired_digest = wish.digest
    target.revision = wish.revision
    target.replicas = dict(wish.replicas)
    target.removing = False
    return target


def _save(application: Application, new: list[Target], changed: list[Target]) -> None:
    if not new and not changed:
        return
    sequences = bump_sets(application.project_id, [t.cluster_id for t in [*new, *changed]])
    for target in [*new, *changed]:
        target.sequence = sequences[target.cluster_id]
    Target.objects.bulk_create(new)
    Target.objects.bulk_update(
        changed, ["desired_digest", "revision", "replicas", "removing", "sync", "sequence"]
    )
    _drop_never_sent(application, [target for target in changed if target.removing])
    announce("application", application.pk)
    announce("target", *[target.pk for target in [*new, *changed]], members=bool(new))
    transaction.on_commit(lambda: wake(DISPATCH_LOOP), robust=True)


def bump_sets(project_id: int, cluster_ids: Iterable[int]) -> dict[int, int]:
    """Make the project's sets in the clusters dirty; return cluster id -> new sequence."""
    ids = sorted(set(cluster_ids))
    DesiredSet.objects.bulk_create(
        [DesiredSet(project_id=project_id, cluster_id=cluster_id) for cluster_id in ids],
        ignore_conflicts=True,
    )
    sets = DesiredSet.objects.filter(project=project_id, cluster__in=ids)
    sets.update(sequence=F("sequence") + 1, retry_at=None, attempts=0)
    return dict(sets.values_list("cluster_id", "sequence"))


def _drop_never_sent(application: Application, removed: list[Target]) -> None:
    """Drop Targets of clusters that were never told of them: no agent will confirm."""
    untold = DesiredSet.objects.filter(
        project=application.project_id,
        cluster__in=[target.cluster_id for target in removed],
        tried_at=None,
    ).values("cluster")
    Target.objects.filter(application=application, removing=True, cluster__in=untold).delete()
