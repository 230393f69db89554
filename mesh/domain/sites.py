"""The clusters of one service as the mesh sees them: who can be entered, in which order. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet_portal.common.text import N_
from mesh.domain.services import Service


@dataclass(frozen=True)
class Gateway:
    """Where other clusters enter this one; an address, not a name: Pods select by address only."""

    address: str
    port: int = 15443


@dataclass(frozen=True)
class Site:
    """One cluster as the mesh sees it, for one service.

    `runs_service`: a Service with a selector is there, made by its owners. `own_route`: name of a
    VirtualService on the service's name that is not the portal's; it is never touched. `ready`:
    ready Pods, as a weight among clusters of one region.
    """

    cluster: str
    region: str
    zone: str = ""
    network: str = ""
    gateways: tuple[Gateway, ...] = ()
    runs_service: bool = False
    own_route: str = ""
    ready: int = 1


@dataclass(frozen=True)
class Finding:
    """Something a person should know about the objects of one cluster.

    `sentence` % `values` is for people; `blocking`: callers there can't leave their region.
    """

    cluster: str
    sentence: str
    values: Mapping[str, str]
    blocking: bool = False


def tiers_for(here: Site, sites: Sequence[Site], nearest: Sequence[str] = ()) -> list[list[Site]]:
    """Return the other clusters that run the service and can be entered, nearest tier first.

    Clusters of the caller's own region are the first tier; then each region is one.
    """
    others = [
        site
        for site in sites
        if site.cluster != here.cluster and site.runs_service and site.gateways
    ]
    ranks = {region: rank for rank, region in enumerate(nearest)}
    regions = sorted(
        {site.region for site in others},
        key=lambda region: (region != here.region, ranks.get(region, len(ranks)), region),
    )
    return [
        sorted((site for site in others if site.region == region), key=lambda site: site.cluster)
        for region in regions
    ]


def weights_of(members: Sequence[Site]) -> dict[str, int]:
    """Share a tier among its clusters by ready Pods, in powers of two.

    Rounding keeps the objects still while Pods come and go: only a doubling makes a new revision,
    and none at all where a tier is one cluster. The weight of a cluster is split among its
    gateways, so each is a multiple of their number.
    """
    multiple = math.lcm(*(len(site.gateways) for site in members))
    if len(members) == 1:
        return {members[0].cluster: multiple}
    return {
        site.cluster: (1 << (max(site.ready, 1).bit_length() - 1)) * multiple for site in members
    }


def findings_for(service: Service, here: Site, sites: Sequence[Site]) -> list[Finding]:
    """Return what keeps callers of this cluster from being served elsewhere."""
    found: list[Finding] = []

    def add(sentence: str, blocking: bool, **values: str) -> None:
        found.append(Finding(here.cluster, sentence, values, blocking))

    if here.own_route:
        add(
            N_(
                "VirtualService %(name)s owns this name and is left alone: "
                "add the route below to it."
            ),
            True,
            name=here.own_route,
        )
    if here.runs_service and not here.gateways:
        add(N_("%(cluster)s has no gateway address: other regions can't enter it."), False,
            cluster=here.cluster)  # fmt: skip
    if not tiers_for(here, sites):
        add(
            N_("No other cluster that runs %(service)s can be entered: nothing to fail over to."),
            True,
            service=service.name,
        )
    if not here.region:
        add(N_("%(cluster)s has no region: its callers have no nearest order."), False,
            cluster=here.cluster)  # fmt: skip
    return found
