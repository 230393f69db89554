"""From what istiod would tell an Envoy (mesh.domain.envoy) to Envoy's own configuration.

Pure. The result is served to Envoy as files: clusters and listeners, and the endpoints of each
cluster in a file of their own, so that Pods come and go without any cluster being made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mesh.domain.envoy import (
    EnvoyCluster,
    EnvoyConfig,
    Host,
    Locality,
    OutlierDetection,
    RetryPolicy,
    Route,
    VirtualHost,
)

Resource = dict[str, Any]
_TYPES = "type.googleapis.com/envoy"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# Plain Envoy allows three retries at a time, which hides failover; istiod lifts it like this.
_NO_LIMIT = 4294967295


@dataclass(frozen=True)
class Files:
    """What Envoy reads; `endpoints`: file name -> load assignment."""

    clusters: list[Resource]
    listeners: list[Resource]
    endpoints: dict[str, Resource] = field(default_factory=dict)


def discovery_response(resources: Sequence[Resource], version: str) -> Resource:
    return {"version_info": version, "resources": list(resources)}


def endpoints_file(cluster_name: str) -> str:
    """Return a file name for a cluster's endpoints; Envoy's names hold bars."""
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in cluster_name) + ".json"


def caller_files(config: EnvoyConfig, port: int, listen: tuple[str, int], folder: str) -> Files:
    """Return the files for callers: one listener for the services' port, routed by Host."""
    hosts = [_virtual_host(h) for h in config.virtual_hosts if h.port == port]
    return Files(
        clusters=[_cluster(c, folder) for c in config.clusters],
        listeners=[_listener("callers", listen, hosts)],
        endpoints={endpoints_file(c.name): _assignment(c.name, c.localities)
                   for c in config.clusters},
    )  # fmt: skip


def gateway_files(
    services: Mapping[str, tuple[Sequence[str], Sequence[Host]]],
    listen: tuple[str, int],
    folder: str,
) -> Files:
    """Return the files for the entrance from other clusters: local Pods only, routed by Host.

    `services`: Envoy cluster name -> (names in the Host header, Pods of this cluster).
    """
    clusters, hosts, endpoints = [], [], {}
    for name, (domains, pods) in sorted(services.items()):
        local = EnvoyCluster(name, domains[0], listen[1], "ROUND_ROBIN", ())
        clusters.append(_cluster(local, folder))
        locality = Locality("", "", 0, 1, tuple(pods))
        endpoints[endpoints_file(name)] = _assignment(name, [locality] if pods else [])
        hosts.append(
            {
                "name": name,
                "domains": list(domains),
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": name}}],
            }
        )
    return Files(clusters, [_listener("gateway", listen, hosts)], endpoints)


def joined(first: Files, second: Files) -> Files:
    return Files(
        [*first.clusters, *second.clusters],
        [*first.listeners, *second.listeners],
        {**first.endpoints, **second.endpoints},
    )


def _seconds(value: float) -> str:
    return f"{value:.3f}s"


def _cluster(cluster: EnvoyCluster, folder: str) -> Resource:
    common: Resource = {}
    if cluster.panic_threshold is not None:
        common["healthy_panic_threshold"] = {"value": cluster.panic_threshold}
    if cluster.locality_weighted:
        common["locality_weighted_lb_config"] = {}
    made: Resource = {
        "@type": f"{_TYPES}.config.cluster.v3.Cluster",
        "name": cluster.name,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": _watched(f"{folder}/{endpoints_file(cluster.name)}", folder),
        },
        "connect_timeout": _seconds(cluster.connect_timeout_seconds),
        "lb_policy": cluster.lb_policy,
        "common_lb_config": common,
        "circuit_breakers": {"thresholds": [{"max_retries": _NO_LIMIT}]},
        "typed_extension_protocol_options": {_OPTIONS: _protocol(cluster)},
    }
    if cluster.outlier_detection is not None:
        made["outlier_detection"] = _outliers(cluster.outlier_detection)
    return made


def _watched(path: str, folder: str) -> Resource:
    source = {"path": path, "watched_directory": {"path": folder}}
    return {"path_config_source": source, "resource_api_version": "V3"}


def _protocol(cluster: EnvoyCluster) -> Resource:
    limits: Resource = {}
    if cluster.max_requests_per_connection is not None:
        limits["max_requests_per_connection"] = cluster.max_requests_per_connection
    if cluster.max_connection_duration_seconds is not None:
        limits["max_connection_duration"] = _seconds(cluster.max_connection_duration_seconds)
    return {
        "@type": f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": limits,
        "explicit_http_config": {"http_protocol_options": {}},
    }


def _outliers(detection: OutlierDetection) -> Resource:
    counters = {
        "consecutive_5xx": detection.consecutive_5xx,
        "consecutive_gateway_failure": detection.consecutive_gateway_failure,
        "consecutive_local_origin_failure": detection.consecutive_local_origin_failure,
    }
    made: Resource = {
        "split_external_local_origin_errors": detection.split_external_local_origin_errors,
        "interval": _seconds(detection.interval_seconds),
        "base_ejection_time": _seconds(detection.base_ejection_seconds),
        "max_ejection_percent": detection.max_ejection_percent,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
    }
    for name, count in counters.items():
        made[f"enforcing_{name}"] = 0 if count is None else 100
        if count is not None:
            made[name] = count
    return made


def _assignment(name: str, localities: Sequence[Locality]) -> Resource:
    return {
        "@type": f"{_TYPES}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "endpoints": [_endpoints(locality) for locality in localities],
    }


def _endpoints(locality: Locality) -> Resource:
    return {
        "locality": {"region": locality.region, "zone": locality.zone},
        "priority": locality.priority,
        "load_balancing_weight": max(1, locality.weight),
        "lb_endpoints": [_host(host) for host in locality.hosts],
    }


def _host(host: Host) -> Resource:
    return {
        "endpoint": {"address": _socket((host.address, host.port))},
        "load_balancing_weight": max(1, host.weight),
        "health_status": "HEALTHY" if host.healthy else "UNHEALTHY",
    }


def _socket(address: tuple[str, int]) -> Resource:
    return {"socket_address": {"address": address[0], "port_value": address[1]}}


def _virtual_host(host: VirtualHost) -> Resource:
    return {
        "name": host.name,
        "domains": list(host.domains),
        "routes": [_route(route) for route in host.routes],
    }


def _route(route: Route) -> Resource:
    weights = [{"name": w.cluster, "weight": w.weight} for w in route.clusters]
    action: Resource = {"weighted_clusters": {"clusters": weights}}
    if len(weights) == 1:
        action = {"cluster": route.clusters[0].cluster}
    if route.timeout_seconds is not None:
        action["timeout"] = _seconds(route.timeout_seconds)
    if route.retry is not None:
        action["retry_policy"] = _retries(route.retry)
    return {"match": {"prefix": route.prefix}, "route": action}


def _retries(retry: RetryPolicy) -> Resource:
    made: Resource = {
        "num_retries": retry.attempts,
        "retry_on": ",".join(retry.retry_on),
        "host_selection_retry_max_attempts": 5,
        "retriable_status_codes": list(retry.retriable_status_codes),
    }
    hosts = f"{_TYPES}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    made["retry_host_predicate"] = [
        {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": hosts}}
    ]
    if retry.per_try_timeout_seconds is not None:
        made["per_try_timeout"] = _seconds(retry.per_try_timeout_seconds)
    if retry.remote_localities:
        kind = f"{_TYPES}.extensions.retry.priority.previous_priorities.v3"
        made["retry_priority"] = {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": f"{kind}.PreviousPrioritiesConfig",
                "update_frequency": 2,
            },
        }
    return made


def _listener(name: str, listen: tuple[str, int], hosts: list[Resource]) -> Resource:
    filters = f"{_TYPES}.extensions.filters"
    router = {"@type": f"{filters}.http.router.v3.Router"}
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        # Envoy may read the listeners before the clusters: it would refuse them for good.
        "route_config": {"name": name, "virtual_hosts": hosts, "validate_clusters": False},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    return {
        "@type": f"{_TYPES}.config.listener.v3.Listener",
        "name": name,
        "address": _socket(listen),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager",
                          "typed_config": manager}]}
        ],
    }  # fmt: skip


def bootstrap(node: str, region: str, zone: str, admin: tuple[str, int], folder: str) -> Resource:
    """Return what an Envoy starts with: who it is, and where its files are."""
    return {
        "node": {"id": node, "cluster": node, "locality": {"region": region, "zone": zone}},
        "admin": {"address": _socket(admin)},
        # Histograms are merged at each flush; as often as they are scraped is right.
        "stats_flush_interval": "1s",
        "dynamic_resources": {
            "cds_config": _watched(f"{folder}/clusters.json", folder),
            "lds_config": _watched(f"{folder}/listeners.json", folder),
        },
    }
