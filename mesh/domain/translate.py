"""From mesh objects to what istiod gives one Envoy: clusters, priorities, weights, routes.

`translate(objects, caller, endpoints)` reads the manifests back, never the model they came from,
so it also shows what a hand-edited object would do. `objects` is what one cluster holds (dicts as
the Kubernetes API gives them: Service, ServiceEntry, WorkloadEntry, DestinationRule,
VirtualService; other kinds are ignored), `endpoints` the Pods of that cluster.

A field whose effect is not modelled raises Untranslatable. Left out: Sidecar scopes, exportTo,
subsets, TLS, and istiod's catch-all virtual host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.domain.envoy import (
    Caller,
    EnvoyCluster,
    EnvoyConfig,
    Host,
    Locality,
    OutlierDetection,
    PodEndpoint,
    RetryPolicy,
    Route,
    VirtualHost,
    WeightedCluster,
)
from mesh.domain.localities import Endpoint, arrange, endpoint_labels
from mesh.domain.routes import (
    RegistryHost,
    Untranslatable,
    cluster_name,
    full_host,
    seconds,
    virtual_hosts,
)
from mesh.domain.services import CLUSTER_DOMAIN

__all__ = [
    "Caller",
    "EnvoyCluster",
    "EnvoyConfig",
    "Host",
    "Locality",
    "OutlierDetection",
    "PodEndpoint",
    "RetryPolicy",
    "Route",
    "Untranslatable",
    "VirtualHost",
    "WeightedCluster",
    "translate",
]

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class _Workload:
    """A Pod or a WorkloadEntry that a selector may pick."""

    namespace: str
    address: str
    labels: Mapping[str, str]
    region: str
    zone: str
    network: str = ""
    weight: int = 1
    ready: bool = True
    ports: Mapping[str, int] | None = None


def translate(
    objects: Sequence[Manifest],
    caller: Caller,
    endpoints: Sequence[PodEndpoint] = (),
    sends_unready: bool = True,
) -> EnvoyConfig:
    """Return what the caller's Envoy gets from the objects and Pods of its cluster.

    `sends_unready`: whether istiod tells Envoy of unready Pods of Services (it does since 1.31);
    Pods that a ServiceEntry selects are always left out while unready.
    """
    kinds: dict[str, list[Manifest]] = {}
    for obj in objects:
        kinds.setdefault(obj.get("kind", ""), []).append(obj)
    workloads = [_pod(pod) for pod in endpoints]
    workloads += [_workload_entry(obj) for obj in kinds.get("WorkloadEntry", [])]
    rules = {
        full_host(rule["spec"]["host"], _namespace(rule)): rule
        for rule in kinds.get("DestinationRule", [])
    }
    registry: list[RegistryHost] = []
    clusters: list[EnvoyCluster] = []
    for obj in [*kinds.get("Service", []), *kinds.get("ServiceEntry", [])]:
        for known in _registry_hosts(obj):
            registry.append(known)
            rule = rules.get(known.host)
            for port in obj["spec"].get("ports", []):
                hosts = _endpoints(obj, port, workloads, caller, sends_unready)
                clusters.append(_cluster(known.host, _number(port), hosts, rule, caller,
                                         sends_unready))  # fmt: skip
    return EnvoyConfig(
        clusters=tuple(sorted(clusters, key=lambda cluster: cluster.name)),
        virtual_hosts=virtual_hosts(registry, kinds.get("VirtualService", []), caller),
    )


def _namespace(obj: Manifest) -> str:
    return str(obj["metadata"].get("namespace", "default"))


def _number(port: Mapping[str, Any]) -> int:
    return int(port["number"] if "number" in port else port["port"])


def _pod(pod: PodEndpoint) -> _Workload:
    return _Workload(pod.namespace, pod.address, pod.labels, pod.region, pod.zone, ready=pod.ready)


def _workload_entry(obj: Manifest) -> _Workload:
    spec = obj["spec"]
    region, _, rest = str(spec.get("locality", "")).partition("/")
    return _Workload(
        namespace=_namespace(obj),
        address=spec["address"],
        labels=spec.get("labels") or {},
        region=region,
        zone=rest.partition("/")[0],
        network=spec.get("network", ""),
        weight=int(spec.get("weight") or 1),
        ports=spec.get("ports") or {},
    )


def _registry_hosts(obj: Manifest) -> list[RegistryHost]:
    spec, namespace = obj["spec"], _namespace(obj)
    ports = tuple(_number(port) for port in spec.get("ports", []))
    if obj["kind"] == "ServiceEntry":
        if spec.get("resolution") != "STATIC":
            raise Untranslatable("resolution other than STATIC")
        addresses = tuple(spec.get("addresses") or ())
        return [RegistryHost(host, namespace, ports, addresses) for host in spec["hosts"]]
    address = spec.get("clusterIP") or ""
    addresses = () if address in ("", "None") else (address,)
    host = f"{obj['metadata']['name']}.{namespace}.{CLUSTER_DOMAIN}"
    return [RegistryHost(host, namespace, ports, addresses)]


def _endpoints(
    obj: Manifest,
    port: Mapping[str, Any],
    workloads: Sequence[_Workload],
    caller: Caller,
    sends_unready: bool,
) -> list[Endpoint]:
    spec, is_entry = obj["spec"], obj["kind"] == "ServiceEntry"
    if is_entry:
        selector = (spec.get("workloadSelector") or {}).get("labels") or {}
        inline = [
            _workload_entry({"metadata": obj["metadata"], "spec": entry})
            for entry in spec.get("endpoints") or []
        ]
    else:
        selector, inline = spec.get("selector") or {}, []
    picked = inline + [
        workload
        for workload in workloads
        if selector
        and workload.namespace == _namespace(obj)
        and selector.items() <= workload.labels.items()
        and (workload.ready or (sends_unready and not is_entry))
    ]
    return [_endpoint(workload, port, caller) for workload in picked]


def _endpoint(workload: _Workload, port: Mapping[str, Any], caller: Caller) -> Endpoint:
    own = (workload.ports or {}).get(str(port.get("name", "")))
    number = int(own or port.get("targetPort") or _number(port))
    labels = endpoint_labels(
        workload.labels, workload.region, workload.zone, caller.cluster, workload.network
    )
    host = Host(workload.address, number, workload.weight, workload.ready)
    return Endpoint(host, labels, workload.region, workload.zone)


def _cluster(
    host: str,
    port: int,
    endpoints: Sequence[Endpoint],
    rule: Manifest | None,
    caller: Caller,
    sends_unready: bool,
) -> EnvoyCluster:
    spec = rule["spec"] if rule else {}
    policy = spec.get("trafficPolicy") or {}
    for field in ("portLevelSettings", "tunnel", "retryBudget"):
        if policy.get(field):
            raise Untranslatable(f"trafficPolicy.{field}")
    balancer = policy.get("loadBalancer") or {}
    # Without a setting of its own the mesh's applies, which is on by default.
    setting = balancer.get("localityLbSetting") or {"enabled": True}
    outlier = policy.get("outlierDetection")
    pool = policy.get("connectionPool") or {}
    tcp, http = pool.get("tcp") or {}, pool.get("http") or {}
    ordered = bool(setting.get("failover") or setting.get("failoverPriority"))
    panic = int(outlier.get("minHealthPercent") or 0) if outlier is not None else None
    return EnvoyCluster(
        name=cluster_name(host, port),
        host=host,
        port=port,
        lb_policy=balancer.get("simple") or "LEAST_REQUEST",
        localities=arrange(endpoints, caller, setting, outlier is not None),
        outlier_detection=_outlier_detection(outlier) if outlier is not None else None,
        panic_threshold=0 if panic is None and sends_unready else panic,
        locality_weighted=setting.get("enabled") is not False
        and ((ordered and outlier is not None) or bool(setting.get("distribute"))),
        connect_timeout_seconds=seconds(tcp.get("connectTimeout", "10s")),
        max_connection_duration_seconds=_optional_seconds(tcp.get("maxConnectionDuration")),
        max_requests_per_connection=http.get("maxRequestsPerConnection") or None,
    )


def _optional_seconds(text: str | None) -> float | None:
    return seconds(text) if text else None


def _outlier_detection(outlier: Mapping[str, Any]) -> OutlierDetection:
    """Zero switches a detector off; an absent one keeps Envoy's default."""
    splits = bool(outlier.get("splitExternalLocalOriginErrors", False))
    local = outlier.get("consecutiveLocalOriginFailures", 5) if splits else None
    return OutlierDetection(
        consecutive_5xx=outlier.get("consecutive5xxErrors", 5) or None,
        consecutive_gateway_failure=outlier.get("consecutiveGatewayErrors") or None,
        consecutive_local_origin_failure=local or None,
        split_external_local_origin_errors=splits,
        interval_seconds=seconds(outlier.get("interval", "10s")),
        base_ejection_seconds=seconds(outlier.get("baseEjectionTime", "30s")),
        max_ejection_percent=int(outlier.get("maxEjectionPercent") or 10),
    )
