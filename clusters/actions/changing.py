"""What people change about a cluster that is there: name, region, labels, scopes; its removal."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from clusters import queries
from clusters.actions import checks
from clusters.actions.events import add_event, tell_after_commit
from clusters.domain.leftovers import leftover_commands
from clusters.models import Cluster, ProjectScope, Region
from fleet_portal.common import audit
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import Project, User

Actor = User | str | None
RECONNECT = 4000  # not a refusal: the agent comes back at once and learns its new name


def all_or_nothing() -> AbstractContextManager[None]:
    """Let several actions be one: a refusal undoes those before it."""
    return transaction.atomic()


def rename_cluster(cluster: Cluster, name: str, actor: Actor) -> None:
    """Call the cluster `name` from now on; its agent reconnects under it."""
    before = cluster.name
    if name == before:
        return
    checks.free_name(name, but=cluster)
    try:
        with transaction.atomic():
            cluster.name = name
            cluster.save(update_fields=["name"])
            add_event(cluster, "renamed", f"{before} → {name}")
            audit.record(actor, "cluster.rename", cluster, detail={"from": before, "to": name})
            announce("cluster", cluster.pk, members=True)
            _drop_carrier(before, RECONNECT, "the cluster was renamed")
    except IntegrityError:
        cluster.name = before
        raise checks.name_taken(name) from None


@transaction.atomic
def move_region(cluster: Cluster, region: str, actor: Actor) -> None:
    """Put the cluster into `region`, made if it is new."""
    if not region:
        raise ActionRefused(_("Name the region to move the cluster to."), "region")
    target = checks.region_named(region)
    before = str(cluster.region or "")
    if before == region:
        return
    cluster.region = target
    cluster.save(update_fields=["region"])
    add_event(cluster, "moved", f"{before or '–'} → {region}")
    audit.record(actor, "cluster.move", cluster, detail={"from": before, "to": region})
    announce("cluster", cluster.pk, members=True)
    announce("region", target.pk if target else "", members=True)


@transaction.atomic
def save_region(region: Region, actor: Actor) -> None:
    """Keep a region as it was filled in."""
    region.save()
    audit.record(actor, "region.save", region, detail={"label": region.label})
    announce("region", region.pk, members=True)


@transaction.atomic
def set_labels(cluster: Cluster, labels: Mapping[str, Any] | str, actor: Actor) -> None:
    """Replace the labels that placements choose by; a mapping or typed lines."""
    new = checks.valid_labels(labels)
    if new == cluster.labels:
        return
    before, cluster.labels = cluster.labels, new
    cluster.save(update_fields=["labels"])
    audit.record(actor, "cluster.label", cluster, detail={"from": before, "to": new})
    announce("cluster", cluster.pk, members=True)


@transaction.atomic
def set_production(cluster: Cluster, production: bool, actor: Actor) -> None:
    """Mark the cluster as production: removing it then asks for its name."""
    if cluster.production == production:
        return
    cluster.production = production
    cluster.save(update_fields=["production"])
    audit.record(actor, "cluster.production", cluster, detail={"to": production})
    announce("cluster", cluster.pk)


def remove_cluster(cluster: Cluster, actor: Actor) -> list[str]:
    """Forget the cluster, dead or alive; return the commands that clean up there.

    Its certificates are gone with it, so its agent is refused from now on. What applications
    run there keeps running: nothing is deleted in the cluster by this.
    """
    commands = leftover_commands(
        namespaces=queries.namespaces_of(cluster),
        prometheus_namespace=cluster.prometheus_namespace,
    )
    with transaction.atomic():
        audit.record(actor, "cluster.remove", cluster, detail={"uid": cluster.uid})
        pk, name = cluster.pk, cluster.name
        Cluster.objects.filter(pk=pk).delete()
        announce("cluster", pk, members=True)
        _drop_carrier(name, 4403, "the cluster was removed from the portal")
    return commands


def _drop_carrier(name: str, code: int, reason: str) -> None:
    tell_after_commit("disconnect", {"cluster": name, "code": code, "reason": reason})
    tell_after_commit("flush", {"cluster": name})


@transaction.atomic
def set_scope(
    project: Project, cluster: Cluster, namespaces: list[str], actor: Actor
) -> ProjectScope | None:
    """Let the project use these namespaces of the cluster; none of them ends its scope there."""
    if namespaces and cluster.mode != "manage":
        sentence = _(
            "%(name)s was joined to be seen, not managed: join it again in the mode “manage” first."
        )
        raise ActionRefused(sentence % {"name": cluster.name}, "namespaces")
    scope = write_scope(cluster, project, namespaces)
    audit.record(
        actor,
        "cluster.scope",
        cluster,
        project=project,
        detail={"project": project.slug, "namespaces": scope.namespaces if scope else []},
    )
    announce("cluster", cluster.pk)
    announce("scope", cluster.pk, members=True)
    tell_after_commit("flush", {"cluster": cluster.name})
    return scope


def write_scope(cluster: Cluster, project: Project, namespaces: list[str]) -> ProjectScope | None:
    """Write the row alone; the caller audits and announces."""
    names = checks.valid_namespaces(namespaces, "namespaces")
    if not names:
        ProjectScope.objects.filter(project=project, cluster=cluster).delete()
        return None
    scope, _made = ProjectScope.objects.update_or_create(
        project=project, cluster=cluster, defaults={"namespaces": names}
    )
    return scope


@transaction.atomic
def confirm_names(cluster: Cluster, actor: Actor) -> None:
    """Take the administrator's word that the rules which the portal prints now were applied."""
    names = queries.names_wanted(cluster).as_json()
    if cluster.listed_names == names:
        return
    cluster.listed_names = names
    cluster.save(update_fields=["listed_names"])
    audit.record(actor, "cluster.names", cluster, detail=names)
    announce("cluster", cluster.pk)
    tell_after_commit("flush", {"cluster": cluster.name})
