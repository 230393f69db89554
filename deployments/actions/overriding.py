"""Overrides: replaced as a whole, and only when each hits something."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from clusters.models import Region
from deployments.actions.audited import Actor, audited
from deployments.actions.editing import editable
from deployments.actions.scaling import refresh_replicas
from deployments.blobs import load_content
from deployments.domain.overrides import changes_of, resolve
from deployments.domain.placement import check_names
from deployments.facts import cluster_facts, override_facts
from deployments.models import Application, Override
from fleet_portal.common.audit import record
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce


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
    regions = list(Region.objects.values_list("name", flat=True))
    latest = application.revisions.first()
    content = load_content(latest) if latest else None
    overrides = override_facts(rows)
    for override in overrides:
        check_names(override.selection, clusters, regions, "overrides")
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
