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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mesh.domain.services import Port, Service
from mesh.domain.sites import Finding, Gateway, Site, findings_for, tiers_for, weights_of

__all__ = [
    "Failover",
    "Finding",
    "Gateway",
    "Site",
    "findings_for",
    "objects_for",
    "route_to_add",
    "tiers_for",
]

TIER = "fleet-portal.io/tier-"
TLS_MODE = "security.istio.io/tlsMode"
NETWORKING = "networking.istio.io/v1"
# What sends callers to the stub: added after everything else, taken away before it.
ROUTE_KIND = "VirtualService"

Manifest = dict[str, Any]


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
            objects.extend(
                _workload_entries(service, site, tier, weights_of(members)[site.cluster])
            )
    objects.append(_destination_rule(service, len(tiers), failover))
    if not here.runs_service:
        objects.append(_stub_service(service))
    if not here.own_route:
        objects.append(_virtual_service(service, failover))
    return objects


def route_to_add(service: Service, failover: Failover | None = None) -> Manifest:
    """Return the `http` entry that owners of a VirtualService on this name add to it themselves."""
    return _http_route(service, failover or Failover())


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
        "kind": ROUTE_KIND,
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
