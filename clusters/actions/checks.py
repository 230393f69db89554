"""Turn what a person typed into values that may be saved, or refuse with a sentence."""

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clusters.domain.labels import LabelsInvalid, check_labels, parse_labels, shown
from clusters.domain.scopes import ScopeInvalid, check_namespaces
from clusters.models import NAME, Cluster, Region
from fleet_portal.common.errors import ActionRefused

# Would hide behind an address of the portal's own pages.
RESERVED_NAMES = frozenset({"new"})

_PROMETHEUS = re.compile(
    r"(?P<namespace>[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)"
    r"/(?P<service>[a-z]([a-z0-9-]{0,61}[a-z0-9])?):(?P<port>[0-9]{1,5})",
    re.ASCII,
)


def free_name(name: str, but: Cluster | None = None) -> str:
    """Return `name` if a cluster may be called so."""
    try:
        NAME(name)
    except ValidationError:
        raise ActionRefused(
            _(
                "“%(name)s” can't be a cluster's name: use at most 50 lower-case letters, digits"
                " and hyphens; begin and end with a letter or digit."
            )
            % {"name": shown(name)},
            "name",
        ) from None
    if name in RESERVED_NAMES:
        sentence = _("“%(name)s” is a page of the portal: choose another name for the cluster.")
        raise ActionRefused(sentence % {"name": name}, "name")
    taken = Cluster.objects.filter(name=name)
    if but is not None:
        taken = taken.exclude(pk=but.pk)
    if taken.exists():
        raise name_taken(name)
    return name


def name_taken(name: str) -> ActionRefused:
    sentence = _(
        "There is a cluster named %(name)s already: choose another name, or open that cluster"
        " and use “Join again”."
    )
    return ActionRefused(sentence % {"name": name}, "name")


def region_named(name: str) -> Region | None:
    """Return the region, made if it is new; None for an empty name."""
    if not name:
        return None
    try:
        NAME(name)
    except ValidationError:
        raise ActionRefused(
            _(
                "“%(name)s” can't be a region's name: use at most 50 lower-case letters, digits"
                " and hyphens; begin and end with a letter or digit."
            )
            % {"name": shown(name)},
            "region",
        ) from None
    return Region.objects.get_or_create(name=name)[0]


def valid_labels(labels: Mapping[str, Any] | str | None) -> dict[str, str]:
    """Return the labels, given as a mapping or as typed lines."""
    try:
        if isinstance(labels, str):
            return parse_labels(labels)
        check_labels(labels or {})
    except LabelsInvalid as error:
        raise ActionRefused(gettext(error.message) % {"text": error.text}, "labels") from None
    return dict(labels or {})


def valid_choice(value: str, choices: list[tuple[str, Any]], field: str) -> str:
    if value not in {choice for choice, _label in choices}:
        sentence = _("“%(value)s” is not one of: %(choices)s.")
        words = {"value": shown(value), "choices": ", ".join(choice for choice, _label in choices)}
        raise ActionRefused(sentence % words, field)
    return value


def valid_namespaces(namespaces: list[str], field: str) -> list[str]:
    try:
        return check_namespaces(namespaces)
    except ScopeInvalid as error:
        raise ActionRefused(gettext(error.message) % {"text": error.text}, field) from None


def valid_prometheus(address: str) -> dict[str, Any]:
    """Return the model's three fields for `namespace/service:port`; empty means there is none."""
    if not address:
        return {"prometheus_namespace": "", "prometheus_service": "", "prometheus_port": 9090}
    match = _PROMETHEUS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        sentence = _("Write Prometheus' place as namespace/service:port, or leave it empty.")
        raise ActionRefused(sentence, "prometheus")
    return {
        "prometheus_namespace": match["namespace"],
        "prometheus_service": match["service"],
        "prometheus_port": int(match["port"]),
    }
