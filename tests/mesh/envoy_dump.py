"""Reads a real Envoy's configuration dump into the shapes of `mesh.domain.envoy`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from mesh.domain.envoy import (
    EnvoyCluster,
    Host,
    Locality,
    OutlierDetection,
    RetryPolicy,
    Route,
    VirtualHost,
    WeightedCluster,
)
from mesh.domain.routes import seconds

Dump = dict[str, Any]


def _sections(dump: Dump, kind: str) -> list[Dump]:
    return [item for item in dump["configs"] if item["@type"].endswith(kind)]


def read_cluster(dump: Dump, name: str) -> EnvoyCluster | None:
    """Return the cluster with its endpoints, or None while Envoy has not got both."""
    found = [
        item["cluster"]
        for section in _sections(dump, "ClustersConfigDump")
        for item in section.get("dynamic_active_clusters", [])
        if item["cluster"]["name"] == name
    ]
    assigned = [
        item["endpoint_config"]
        for section in _sections(dump, "EndpointsConfigDump")
        for item in section.get("dynamic_endpoint_configs", [])
        if item["endpoint_config"].get("cluster_name") == name
    ]
    if not found or not assigned:
        return None
    return _cluster(found[0], assigned[0])


def _cluster(cluster: Dump, assignment: Dump) -> EnvoyCluster:
    _, port, _, host = cluster["name"].split("|")
    common = cluster.get("common_lb_config", {})
    panic = common.get("healthy_panic_threshold")
    outlier = cluster.get("outlier_detection")
    http = {}
    for options in cluster.get("typed_extension_protocol_options", {}).values():
        http = options.get("common_http_protocol_options", {})
    duration = http.get("max_connection_duration")
    return EnvoyCluster(
        name=cluster["name"],
        host=host,
        port=int(port),
        lb_policy=cluster.get("lb_policy", "ROUND_ROBIN"),
        localities=_localities(assignment),
        outlier_detection=_outlier(outlier) if outlier else None,
        panic_threshold=None if panic is None else int(panic.get("value", 0)),
        locality_weighted="locality_weighted_lb_config" in common,
        connect_timeout_seconds=seconds(cluster["connect_timeout"]),
        max_connection_duration_seconds=seconds(duration) if duration else None,
        max_requests_per_connection=http.get("max_requests_per_connection"),
    )


def _localities(assignment: Dump) -> tuple[Locality, ...]:
    groups: dict[tuple[int, str, str], list[Host]] = defaultdict(list)
    for group in assignment.get("endpoints", []):
        place = group.get("locality", {})
        key = (group.get("priority", 0), place.get("region", ""), place.get("zone", ""))
        for item in group.get("lb_endpoints", []):
            address = item["endpoint"]["address"]["socket_address"]
            weight = item.get("load_balancing_weight", 1)
            healthy = item.get("health_status", "HEALTHY") in ("HEALTHY", "UNKNOWN")
            groups[key].append(Host(address["address"], address["port_value"], weight, healthy))
    return tuple(
        Locality(region, zone, priority, sum(host.weight for host in hosts), ordered(hosts))
        for (priority, region, zone), hosts in sorted(groups.items())
    )


def ordered(hosts: Any) -> tuple[Host, ...]:
    """Hosts in one order: istiod gives them in none."""
    return tuple(sorted(hosts, key=lambda host: (host.address, host.port)))


def _outlier(outlier: Dump) -> OutlierDetection:
    def detector(name: str, default: int | None) -> int | None:
        enforced = outlier.get(f"enforcing_{name}", 100 if default else 0)
        return outlier.get(name, default) if enforced else None

    splits = outlier.get("split_external_local_origin_errors", False)
    local = detector("consecutive_local_origin_failure", 5) if splits else None
    return OutlierDetection(
        consecutive_5xx=detector("consecutive_5xx", 5),
        consecutive_gateway_failure=detector("consecutive_gateway_failure", None),
        consecutive_local_origin_failure=local,
        split_external_local_origin_errors=splits,
        interval_seconds=seconds(outlier.get("interval", "10s")),
        base_ejection_seconds=seconds(outlier.get("base_ejection_time", "30s")),
        max_ejection_percent=outlier.get("max_ejection_percent", 10),
    )


def read_virtual_host(dump: Dump, name: str) -> VirtualHost | None:
    """Return the virtual host of that name on any port."""
    for section in _sections(dump, "RoutesConfigDump"):
        for item in section.get("dynamic_route_configs", []):
            for vhost in item["route_config"].get("virtual_hosts", []):
                if vhost["name"] == name:
                    return _virtual_host(vhost)
    return None


def _virtual_host(vhost: Dump) -> VirtualHost:
    return VirtualHost(
        name=vhost["name"],
        port=int(vhost["name"].rpartition(":")[2]),
        domains=tuple(vhost["domains"]),
        routes=tuple(_route(route) for route in vhost["routes"]),
    )


def _route(route: Dump) -> Route:
    action = route["route"]
    timeout = seconds(action.get("timeout", "15s"))
    retry = action.get("retry_policy")
    return Route(
        clusters=(WeightedCluster(action["cluster"]),),
        prefix=route["match"].get("prefix", "/"),
        timeout_seconds=timeout or None,
        retry=_retry(retry) if retry else None,
    )


def _retry(retry: Dump) -> RetryPolicy:
    per_try = retry.get("per_try_timeout")
    return RetryPolicy(
        attempts=retry["num_retries"],
        retry_on=tuple(retry["retry_on"].split(",")),
        retriable_status_codes=tuple(retry.get("retriable_status_codes", ())),
        per_try_timeout_seconds=seconds(per_try) if per_try else None,
        remote_localities="retry_priority" in retry,
    )
