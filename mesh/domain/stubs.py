"""The Istio objects that one cluster needs so that a service is reached in any region.

Theory: callers keep using `<svc>.<ns>.svc.cluster.local`. A VirtualService on that name routes to
a stub host of its own, because a ServiceEntry can't extend a host that a Kubernetes Service holds.
The stub's ServiceEntry selects local Pods; a WorkloadEntry stands for each gateway of each other
cluster. Tier labels order them: a proxy and a local Pod both lack the labels, and absent labels
compare equal, so local Pods come first without any change to Pods or callers, then the nearest
region, and so on. Entries are made per cluster, so each caller may have another order.

Nothing here reads a clock, a database or a cluster.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet_portal.common.text import N_
from mesh.domain.services import Port, Service

TIER = "fleet-portal.io/tier-"
TLS_MODE = "security.istio.io/tlsMode"
NETWORKING = "networking.istio.io/v1"

Manifest = dict[str, Any]


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
class Failover:
    """When Envoy gives a host up, and how it tries again; durations in seconds.

    Application errors (500) don't count: only gateway errors and failed connections move traffic.
    """

    consecutive_gateway_errors: int = 5
    consecutive_local_origin_failures: int = 5
    interval_seconds: int = 5
    base_ejection_seconds: int = 30
    connect_timeout_seconds: int = 1
    max_connection_seconds: int = 300
    max_requests_per_connection: int = 1000
    # Istio lets a retry leave the tried priorities from the second one on: never fewer than two.
    retry_attempts: int = 2
    per_try_timeout_seconds: int | None = None
    retry_on: str = "connect-failure,refused-stream,gateway-error"


@dataclass(frozen=True)
class Finding:
    """Something a person should know about the objects of one cluster.

    `sentence` % `values` is for people; `blocking`: callers there can't leave their region.
    """

    cluster: str
    sentence: str
    values: Mapping[str, str]
    blocking: bool = False


def objects_for(
    service: Service,
    here: Site,
    sites: Sequence[Site],
    nearest: Sequence[str] = (),
    failover: Failover | None = None,
) -> list[Manifest]:
    """Return the objects of one cluster, in the order in which they are safe to create.

    `sites`: every cluster of the service, `here` among them. `nearest`: region names as callers
    here prefer them after their own; regions it does not name follow by name.
    """
    failover = failover or Failover()
    tiers = tiers_for(here, sites, nearest)
    objects = [_service_entry(service)]
    for tier, members in enumerate(tiers, start=1):
        for site in members:
            objects.extend(_workload_entries(service, site, tier, _weights(members)[site.cluster]))
    objects.append(_destination_rule(service, len(tiers), failover))
    if not here.runs_service:
        objects.append(_stub_service(service))
    if not here.own_route:
        objects.append(_virtual_service(service, failover))
    return objects


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


def route_to_add(service: Service, failover: Failover | None = None) -> Manifest:
    """Return the `http` entry that owners of a VirtualService on this name add to it themselves."""
    return _http_route(service, failover or Failover())


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


def _weights(members: Sequence[Site]) -> dict[str, int]:
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


def _meta(service: Service, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": service.namespace}


def _base_name(service: Service) -> str:
    return f"fleet-{service.name}"


def _service_entry(service: Service) -> Manifest:
    return {
        "apiVersion": NETWORKING,
        "kind": "ServiceEntry",
        "metadata": _meta(service, _base_name(service)),
        "spec": {
            "hosts": [service.stub_host],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [_entry_port(port) for port in service.ports],
            "workloadSelector": {"labels": dict(service.selector)},
        },
    }


def _entry_port(port: Port) -> dict[str, Any]:
    return {
        "number": port.number,
        "name": port.name,
        "protocol": port.protocol,
        "targetPort": port.target_port,
    }


def _workload_entries(service: Service, site: Site, tier: int, weight: int) -> list[Manifest]:
    entries = []
    for number, gateway in enumerate(site.gateways, start=1):
        spec: dict[str, Any] = {
            "address": gateway.address,
            "ports": {port.name: gateway.port for port in service.ports},
            "locality": f"{site.region}/{site.zone}" if site.zone else site.region,
            "weight": weight // len(site.gateways),
            "labels": {**service.selector, TLS_MODE: "istio", f"{TIER}{tier}": "remote"},
        }
        if site.network:
            spec["network"] = site.network
        if service.service_account:
            spec["serviceAccount"] = service.service_account
        entries.append(
            {
                "apiVersion": NETWORKING,
                "kind": "WorkloadEntry",
                "metadata": _meta(service, f"{_base_name(service)}-{site.cluster}-{number}"),
                "spec": spec,
            }
        )
    return entries


def _destination_rule(service: Service, tiers: int, failover: Failover) -> Manifest:
    balancer: dict[str, Any] = {"simple": "LEAST_REQUEST"}
    if tiers:
        labels = [f"{TIER}{tier}" for tier in range(tiers, 0, -1)]
        balancer["localityLbSetting"] = {"enabled": True, "failoverPriority": labels}
    return {
        "apiVersion": NETWORKING,
        "kind": "DestinationRule",
        "metadata": _meta(service, _base_name(service)),
        "spec": {
            "host": service.stub_host,
            "trafficPolicy": {
                "loadBalancer": balancer,
                "connectionPool": {
                    "tcp": {
                        "connectTimeout": f"{failover.connect_timeout_seconds}s",
                        "maxConnectionDuration": f"{failover.max_connection_seconds}s",
                    },
                    "http": {"maxRequestsPerConnection": failover.max_requests_per_connection},
                },
                "outlierDetection": _outlier_detection(failover),
            },
        },
    }


def _outlier_detection(failover: Failover) -> dict[str, Any]:
    return {
        "consecutive5xxErrors": 0,
        "consecutiveGatewayErrors": failover.consecutive_gateway_errors,
        "splitExternalLocalOriginErrors": True,
        "consecutiveLocalOriginFailures": failover.consecutive_local_origin_failures,
        "interval": f"{failover.interval_seconds}s",
        "baseEjectionTime": f"{failover.base_ejection_seconds}s",
        # Istio's default of 10 % counts over all regions: a dead region would keep its traffic.
        "maxEjectionPercent": 100,
    }


def _stub_service(service: Service) -> Manifest:
    """Give the name to callers in a cluster that runs no Pods of it: a Service without selector."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(service, service.name),
        "spec": {
            "ports": [
                {
                    "name": port.name,
                    "port": port.number,
                    "targetPort": port.target_port,
                    "protocol": "TCP",
                    "appProtocol": port.protocol.lower(),
                }
                for port in service.ports
            ]
        },
    }


def _virtual_service(service: Service, failover: Failover) -> Manifest:
    return {
        "apiVersion": NETWORKING,
        "kind": "VirtualService",
        "metadata": _meta(service, _base_name(service)),
        # The full name is enough: istiod adds the short names of the Service behind it.
        "spec": {"hosts": [service.own_host], "http": [_http_route(service, failover)]},
    }


def _http_route(service: Service, failover: Failover) -> dict[str, Any]:
    retries: dict[str, Any] = {
        "attempts": max(2, failover.retry_attempts),
        "retryOn": failover.retry_on,
        "retryRemoteLocalities": True,
    }
    if failover.per_try_timeout_seconds:
        retries["perTryTimeout"] = f"{failover.per_try_timeout_seconds}s"
    return {
        "name": "fleet-portal",
        "route": [{"destination": {"host": service.stub_host}}],
        "retries": retries,
    }
