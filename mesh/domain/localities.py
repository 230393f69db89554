"""How istiod orders and weighs endpoints for one caller: priorities and locality weights.

The rules follow istio/istio `pilot/pkg/networking/core/loadbalancer/loadbalancer.go`
(`applyFailoverPriorityPerLocality`, `applyLocalityFailover`, `applyLocalityWeights`) and
`pilot/pkg/networking/util/util.go` (`LbPriority`, `LocalityMatch`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mesh.domain.envoy import Caller, Host, Locality

_REGION = "topology.kubernetes.io/region"
_ZONE = "topology.kubernetes.io/zone"
_CLUSTER = "topology.istio.io/cluster"
_NETWORK = "topology.istio.io/network"


@dataclass(frozen=True)
class Endpoint:
    """A host with what decides its order: place, labels, network."""

    host: Host
    labels: Mapping[str, str]
    region: str = ""
    zone: str = ""


def arrange(
    endpoints: Sequence[Endpoint], caller: Caller, setting: Mapping[str, Any], fails_over: bool
) -> tuple[Locality, ...]:
    """Return the endpoints as localities with priority and weight, as this caller gets them.

    `setting`: `localityLbSetting` of the DestinationRule (or the mesh's). `fails_over`: whether
    outlier detection is on; without it istiod leaves everything at priority 0.
    """
    if setting.get("enabled") is False:
        return _grouped((0, endpoint) for endpoint in endpoints)
    if setting.get("distribute"):
        groups = _grouped((0, endpoint) for endpoint in endpoints)
        return _distributed(groups, caller, setting["distribute"])
    if not fails_over:
        return _grouped((0, endpoint) for endpoint in endpoints)
    labels = list(setting.get("failoverPriority") or [])
    ranked = [(_label_rank(endpoint, caller, labels), endpoint) for endpoint in endpoints]
    if not labels or setting.get("failover"):
        ranked = [
            (rank * 5 + _place_rank(endpoint, caller, setting.get("failover") or []), endpoint)
            for rank, endpoint in _compacted(ranked)
        ]
    return _grouped(_compacted(ranked))


def _compacted(ranked: Sequence[tuple[int, Endpoint]]) -> list[tuple[int, Endpoint]]:
    """Number the ranks in use from 0 without gaps, as Envoy wants priorities."""
    priorities = {rank: index for index, rank in enumerate(sorted({rank for rank, _ in ranked}))}
    return [(priorities[rank], endpoint) for rank, endpoint in ranked]


def _grouped(ranked: Any) -> tuple[Locality, ...]:
    groups: dict[tuple[int, str, str], list[Host]] = defaultdict(list)
    for priority, endpoint in ranked:
        groups[priority, endpoint.region, endpoint.zone].append(endpoint.host)
    return tuple(
        Locality(region, zone, priority, sum(host.weight for host in hosts), tuple(hosts))
        for (priority, region, zone), hosts in sorted(groups.items())
    )


def _label_rank(endpoint: Endpoint, caller: Caller, labels: Sequence[str]) -> int:
    """Return how many labels are left from the first one that differs; 0 when all are equal.

    `key=value` compares with the value instead of the caller's. An absent label counts as empty
    on both sides. A leading network label is a preference: a difference moves the endpoint
    behind all others and the comparison goes on.
    """
    wanted = {
        _REGION: caller.region,
        _ZONE: caller.zone,
        _CLUSTER: caller.cluster,
        **caller.labels,
    }
    behind = 0
    for index, label in enumerate(labels):
        key, _, value = label.partition("=")
        if (value or wanted.get(key, "")) == endpoint.labels.get(key, ""):
            continue
        if index == 0 and key == _NETWORK:
            behind = len(labels)
            continue
        return len(labels) - index + behind
    return behind


def _place_rank(endpoint: Endpoint, caller: Caller, failover: Sequence[Mapping[str, str]]) -> int:
    """Same zone 0, same region 2, other region 3, or 4 when `failover` names another target.

    Rank 1 is a differing subzone, which the portal does not know.
    """
    if endpoint.region == caller.region:
        return 0 if endpoint.zone == caller.zone else 2
    for rule in failover:
        if rule.get("from") == caller.region:
            return 3 if endpoint.region == rule.get("to") else 4
    return 3


def _distributed(
    groups: Sequence[Locality], caller: Caller, rules: Sequence[Mapping[str, Any]]
) -> tuple[Locality, ...]:
    """Weigh localities by the caller's rule; those that it does not name are emptied."""
    for rule in rules:
        if _place_matches(caller.region, caller.zone, rule.get("from", "")):
            break
    else:
        return tuple(groups)
    left = dict(enumerate(groups))
    weighed: dict[int, Locality] = {}
    for place, share in rule.get("to", {}).items():
        matched = {
            index: group
            for index, group in left.items()
            if _place_matches(group.region, group.zone, place)
        }
        total = sum(group.weight for group in matched.values())
        for index, group in matched.items():
            weighed[index] = replace(group, weight=math.ceil(group.weight * share / total))
            del left[index]
    emptied = {index: replace(group, hosts=()) for index, group in left.items()}
    return tuple((weighed | emptied)[index] for index in range(len(groups)))


def _place_matches(region: str, zone: str, rule: str) -> bool:
    wanted_region, _, rest = rule.partition("/")
    wanted_zone = rest.partition("/")[0]
    return wanted_region in ("*", region) and wanted_zone in ("*", "", zone)


def endpoint_labels(
    labels: Mapping[str, str], region: str, zone: str, cluster: str, network: str = ""
) -> dict[str, str]:
    """Return the labels as istiod completes them with the endpoint's place."""
    place = {_REGION: region, _ZONE: zone, _CLUSTER: cluster}
    completed = {**labels, **{key: value for key, value in place.items() if value}}
    if network:
        completed.setdefault(_NETWORK, network)
    return completed
