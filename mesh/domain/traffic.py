"""From Prometheus' answers to edges between clusters, and from edges to evidence per region.

Shapes: a result is Prometheus' instant vector, a list of `{"metric": {label: value}, "value":
[epoch seconds, text]}`. Rates are requests a second. An edge without destination is *unserved*:
nobody answered, which is the outage itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mesh.domain.services import service_of_stub
from mesh.domain.states import Evidence

Vector = Sequence[Mapping[str, Any]]
UNSERVED = ""

# Below this a share says nothing.
MIN_REQUESTS_PER_SECOND = 1.0


@dataclass(frozen=True)
class EdgeKey:
    """Cluster names and the service; `destination` UNSERVED when nobody answered."""

    source: str
    destination: str
    namespace: str
    service: str


@dataclass
class Rates:
    """Requests and errors a second; `buckets`: upper bound in ms -> cumulative rate."""

    requests: float = 0.0
    errors: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)

    def add(self, other: Rates) -> None:
        self.requests += other.requests
        self.errors += other.errors
        for bound, rate in other.buckets.items():
            self.buckets[bound] = self.buckets.get(bound, 0.0) + rate


@dataclass(frozen=True)
class Measured:
    """An edge and what was measured on it, at whatever grain the places are named."""

    source: str
    destination: str
    rates: Rates


def scalar(vector: Vector) -> float | None:
    """Return the one value of a result, or None when it is empty or not a number."""
    if not vector:
        return None
    value = float(vector[0]["value"][1])
    return None if math.isnan(value) else value


def read_edges(
    asked: str, requests: Vector, buckets: Vector, ids: Mapping[str, str]
) -> dict[EdgeKey, Rates]:
    """Return the edges that the Prometheus of cluster `asked` tells about its own callers.

    `ids`: Istio cluster id -> cluster name. Samples of other known clusters are dropped (a shared
    Prometheus would count them twice); an unknown source id is `asked` itself, since "Kubernetes"
    is every cluster's default.
    """
    edges: dict[EdgeKey, Rates] = {}
    for sample in requests:
        metric = sample["metric"]
        failed = _failed(metric)
        key = _key(asked, metric, ids, failed)
        rate = float(sample["value"][1])
        if key is not None and math.isfinite(rate):
            edges.setdefault(key, Rates()).add(Rates(rate, rate if failed else 0.0))
    for sample in buckets:
        key = _key(asked, sample["metric"], ids, failed=False)
        rate = float(sample["value"][1])
        if key is not None and key in edges and math.isfinite(rate):
            edges[key].add(Rates(buckets={_bound(sample["metric"].get("le", "")): rate}))
    return edges


def _key(
    asked: str, metric: Mapping[str, str], ids: Mapping[str, str], failed: bool
) -> EdgeKey | None:
    named = service_of_stub(metric.get("destination_service", ""))
    if named is None or ids.get(metric.get("source_cluster", ""), asked) != asked:
        return None
    destination = ids.get(metric.get("destination_cluster", ""))
    if destination is None:
        # A request without an upstream reports none. One that went well did reach somebody whose
        # sidecar does not tell: Kiali too counts it as the caller's own cluster.
        destination = UNSERVED if failed else asked
    return EdgeKey(asked, destination, *named)


def _failed(metric: Mapping[str, str]) -> bool:
    """5xx, or 0: Envoy's word for a request that never got an answer."""
    code = metric.get("response_code", "")
    return code in ("", "0") or code.startswith("5")


def _bound(text: str) -> float:
    return math.inf if text in ("+Inf", "") else float(text)


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Return the latency in ms below which `share` (0 to 1) of requests stay, or None.

    Linear inside a bucket, as Prometheus' histogram_quantile; the last finite bound is the most
    it can tell.
    """
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    wanted = share * buckets[bounds[-1]]
    below_bound, below_rate = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            if math.isinf(bound):
                return below_bound
            width = buckets[bound] - below_rate
            inside = (wanted - below_rate) / width if width > 0 else 1.0
            return below_bound + (bound - below_bound) * inside
        below_bound, below_rate = bound, buckets[bound]
    return below_bound


def between(edges: Iterable[Measured], place_of: Mapping[str, str]) -> dict[tuple[str, str], Rates]:
    """Sum edges between clusters to edges between places; UNSERVED stays itself.

    `place_of`: cluster name -> region name. Edges of clusters without a region are left out.
    """
    summed: dict[tuple[str, str], Rates] = defaultdict(Rates)
    for edge in edges:
        source = place_of.get(edge.source)
        destination = place_of.get(edge.destination, UNSERVED if not edge.destination else None)
        if source and destination is not None:
            summed[source, destination].add(edge.rates)
    return dict(summed)


def evidence_for(
    region: str,
    flows: Mapping[tuple[str, str], Rates],
    age_seconds: float | None,
    ready: int | None,
    total: int | None,
) -> Evidence:
    """Return what one region's row of one service says now; `flows`: between regions."""
    arriving = Rates()
    own = {"all": 0.0, "elsewhere": 0.0, "unserved": 0.0}
    for (source, destination), rates in flows.items():
        if destination == region:
            arriving.add(rates)
        if source == region:
            own["all"] += rates.requests
            if destination == UNSERVED:
                own["unserved"] += rates.requests
            elif destination != region:
                own["elsewhere"] += rates.requests
    return Evidence(
        age_seconds=age_seconds,
        ready=ready,
        total=total,
        errors=_share(arriving.errors, arriving.requests),
        elsewhere=_share(own["elsewhere"], own["all"]),
        unserved=_share(own["unserved"], own["all"]),
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole >= MIN_REQUESTS_PER_SECOND else None
