"""Share a service across clusters, change how it is shared, and take that back.

The objects travel as a system application of the service's project: one pipeline, one status,
one drift rule. Sharing has two steps, callers last: a cluster gets its route once it has confirmed
the rest. So has removal, callers first: routes go, and when every cluster has confirmed that,
everything else goes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster, Region
from deployments import actions as deployments
from fleet_portal.common import audit
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import Project, User
from mesh import queries, sources
from mesh.actions.observing import record_placements
from mesh.domain import stubs
from mesh.domain.services import NotRoutable, Service, agree, application_name
from mesh.models import KUBE_NAME, MeshService

Actor = User | str | None
ASK_SECONDS = 8.0
DAY = 86400


def mark_reachable(
    project: Project,
    namespace: str,
    name: str,
    actor: Actor,
    *,
    nearest: Sequence[str] = (),
    hold_down_seconds: float | None = None,
    failover: Mapping[str, Any] | None = None,
) -> MeshService:
    """Make the service reachable in every cluster where its project may use its namespace.

    Ports and selector are read from the clusters that run it; clusters that don't answer now
    join by themselves later. Refused when nobody runs it or when clusters disagree.
    """
    _check_name(namespace, "namespace")
    _check_name(name, "name")
    _refuse_twice(namespace, name)
    clusters = queries.clusters_in_scope(project, namespace)
    if not clusters:
        raise ActionRefused(
            _("Project %(project)s may not use namespace %(namespace)s in any cluster.")
            % {"project": project.slug, "namespace": namespace},
            "namespace",
        )
    answers = sources.ask_placements(clusters, project.slug, namespace, name, ASK_SECONDS)
    service = _agreed(clusters, answers)
    row = MeshService(
        project=project,
        namespace=namespace,
        name=name,
        ports=[vars(port) for port in service.ports],
        selector=dict(service.selector),
        nearest=_regions(nearest),
        failover=_failover(failover or {}),
        hold_down_seconds=_hold_down(hold_down_seconds),
    )
    try:
        with transaction.atomic():
            row.save()
            record_placements(row, answers, timezone.now())
            distribute(row, actor)
            audit.record(actor, "mesh.mark", row, project=project)
            announce("mesh-service", row.pk, members=True)
    except IntegrityError:
        _refuse_twice(namespace, name)
        raise
    return row


def change_service(
    service: MeshService,
    actor: Actor,
    *,
    nearest: Sequence[str],
    hold_down_seconds: float | None = None,
) -> None:
    """Set the order in which callers leave their region, and how long a return must hold."""
    if service.removing:
        raise ActionRefused(_("This service is being removed from the mesh."))
    with transaction.atomic():
        service.nearest = _regions(nearest)
        service.hold_down_seconds = _hold_down(hold_down_seconds)
        service.save(update_fields=["nearest", "hold_down_seconds"])
        distribute(service, actor)
        detail = {"nearest": service.nearest, "hold_down_seconds": service.hold_down_seconds}
        audit.record(actor, "mesh.change", service, project=service.project, detail=detail)
        announce("mesh-service", service.pk)


@transaction.atomic
def unmark(service: MeshService, actor: Actor) -> None:
    """Begin to take the service out of the mesh: callers first, the rest by `finish_removal`."""
    if service.removing:
        return
    service.removing = True
    service.save(update_fields=["removing"])
    distribute(service, actor)
    audit.record(actor, "mesh.unmark", service, project=service.project)
    announce("mesh-service", service.pk, members=True)


def finish_removal(service: MeshService) -> bool:
    """Once no cluster routes to the stub any more, take the rest away; return whether it was done.

    A cluster that is away keeps its routes and its stub: they go on working, and go together
    when it is back.
    """
    if not service.removing or not queries.routes_are_gone(service):
        return False
    with transaction.atomic():
        if service.application is not None:
            deployments.remove_system_application(service.application, "controller:mesh")
        announce("mesh-service", service.pk, members=True)
        service.delete()
    return True


def add_routes(service: MeshService, actor: Actor) -> bool:
    """Send callers to the stub in clusters that have confirmed it since; return whether any did."""
    waiting = service.placements.filter(routed=False)
    ready = waiting.filter(cluster__in=queries.confirmed_clusters(service))
    if service.removing or not ready.update(routed=True):
        return False
    return distribute(service, actor)


def distribute(service: MeshService, actor: Actor) -> bool:
    """Hand the objects of every cluster to deployments; return whether anything was new."""
    wanted = queries.objects_by_cluster(service)
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    if digest == service.distributed and service.application_id is not None:
        return False
    _hand_over(service, wanted, actor)
    service.distributed = digest
    service.save(update_fields=["application", "distributed"])
    announce("mesh-service", service.pk)
    return True


def _hand_over(
    service: MeshService, wanted: Mapping[int, list[dict[str, Any]]], actor: Actor
) -> None:
    service.application = deployments.set_system_application(
        name=application_name(service.namespace, service.name),
        namespace=service.namespace,
        project_slug=service.project.slug,
        manifests_by_cluster=dict(wanted),
        actor=actor,
    )


def _agreed(clusters: Sequence[Cluster], answers: Mapping[int, sources.PlacementAnswer]) -> Service:
    """Return the service that all answering clusters mean; refuse with what they said."""
    found = {
        cluster.name: answer.placement.service
        for cluster in clusters
        if (answer := answers[cluster.pk]).placement is not None
        and answer.placement.service is not None
    }
    try:
        return agree(found)
    except NotRoutable as error:
        sentence = gettext(error.sentence) % error.values
        silent = [answer.error for answer in answers.values() if answer.error]
        if silent and not found:
            count = ngettext(
                "%(count)d cluster could not be asked: %(error)s",
                "%(count)d clusters could not be asked, the first: %(error)s",
                len(silent),
            )
            sentence += " " + count % {"count": len(silent), "error": silent[0]}
        raise ActionRefused(sentence, "name") from None


def _check_name(value: str, field: str) -> None:
    if not re.fullmatch(KUBE_NAME.regex, value) or len(value) > 63:
        raise ActionRefused(KUBE_NAME.message, field)


def _refuse_twice(namespace: str, name: str) -> None:
    if MeshService.objects.filter(namespace=namespace, name=name).exists():
        raise ActionRefused(_("This service is reachable across clusters already."), "name")


def _regions(names: Sequence[str]) -> list[str]:
    """Return the names without repeats; refuse those of no region."""
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    known = set(Region.objects.filter(name__in=wanted).values_list("name", flat=True))
    for name in wanted:
        if name not in known:
            raise ActionRefused(_("There is no region %(name)s.") % {"name": name[:50]}, "nearest")
    return wanted


def _hold_down(seconds: float | None) -> float:
    held = queries.default_hold_down() if seconds is None else float(seconds)
    if not 0 <= held <= DAY:
        raise ActionRefused(_("A return holds for 0 to 86,400 seconds."), "hold_down_seconds")
    return held


def _failover(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from the defaults; refuse names that there are not."""
    known = vars(stubs.Failover())
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ActionRefused(
            _("There is no failover setting %(name)s.") % {"name": unknown[0][:50]}, "failover"
        )
    return {key: value for key, value in values.items() if value != known[key]}
