"""From Envoy's counters to the two Istio metrics that the portal asks for. Pure.

The wheel's Envoy has no Istio extension, but counts by zone of caller and callee; zones are named
uniquely, so a zone tells the cluster. A request that no host could take has no zone: it counts
with flag UH and no destination. Latency comes as cumulative buckets in milliseconds.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KEPT_SECONDS = 120
FILTER = r"^cluster\.outbound.*(\.zone\..*\.upstream_rq_(\d\d\d|time)|\.upstream_cx_none_healthy)$"
_ZONE = re.compile(
    r"cluster\.outbound\|\d+\|[^|]*\|(?P<host>.+)\.zone\.(?P<source>[^.]+)\.(?P<target>[^.]+)"
    r"\.upstream_rq_(?P<what>\d{3}|time)"
)
_NOBODY = re.compile(r"cluster\.outbound\|\d+\|[^|]*\|(?P<host>.+)\.upstream_cx_none_healthy")


@dataclass(frozen=True, slots=True)
class Edge:
    """Where requests went: cluster names, the host asked for, and how it ended."""

    source: str
    destination: str
    service: str
    code: str = ""
    flags: str = ""
    bound: str = ""

    def labels(self) -> dict[str, str]:
        named = {
            "source_cluster": self.source,
            "destination_cluster": self.destination,
            "destination_service": self.service,
            "response_code": self.code,
            "response_flags": self.flags,
            "le": self.bound,
        }
        wanted = ("response_code", "response_flags") if not self.bound else ("le",)
        kept = ("source_cluster", "destination_cluster", "destination_service", *wanted)
        return {name: named[name] for name in kept}


@dataclass(frozen=True, slots=True)
class Sample:
    """Every counter at one moment, `at` in epoch seconds."""

    at: float
    requests: dict[Edge, float] = field(default_factory=dict)
    buckets: dict[Edge, float] = field(default_factory=dict)


def read_sample(
    stats: Mapping[str, Any], source: str, cluster_of_zone: Mapping[str, str], at: float
) -> Sample:
    """Return what Envoy's `/stats?format=json&histogram_buckets=cumulative` holds."""
    sample = Sample(at)
    for entry in stats.get("stats", []):
        if "histograms" in entry:
            for histogram in entry["histograms"]:
                _add_histogram(sample, histogram, source, cluster_of_zone)
        elif "name" in entry:
            _add_counter(sample, entry, source, cluster_of_zone)
    return sample


def _add_counter(
    sample: Sample, entry: Mapping[str, Any], source: str, cluster_of_zone: Mapping[str, str]
) -> None:
    zone, nobody = _ZONE.fullmatch(entry["name"]), _NOBODY.fullmatch(entry["name"])
    if zone:
        destination = cluster_of_zone.get(zone["target"], "unknown")
        edge = Edge(source, destination, zone["host"], zone["what"], "-")
    elif nobody:
        edge = Edge(source, "unknown", nobody["host"], "503", "UH")
    else:
        return
    sample.requests[edge] = sample.requests.get(edge, 0.0) + float(entry["value"])


def _add_histogram(
    sample: Sample, histogram: Any, source: str, cluster_of_zone: Mapping[str, str]
) -> None:
    zone = _ZONE.fullmatch(histogram["name"]) if isinstance(histogram, dict) else None
    if zone is None:
        return
    destination = cluster_of_zone.get(zone["target"], "unknown")
    for bucket in histogram["buckets"]:
        edge = Edge(source, destination, zone["host"], bound=f"{bucket['upper_bound']:g}")
        count = float(bucket["cumulative"])
        sample.buckets[edge] = sample.buckets.get(edge, 0.0) + count


class History:
    """The samples of the last minutes, and rates over them."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        self._samples.append(sample)
        while self._samples[0].at < sample.at - KEPT_SECONDS:
            self._samples.popleft()

    @property
    def newest(self) -> Sample | None:
        return self._samples[-1] if self._samples else None

    def rates(self, what: str, seconds: float, now: float) -> dict[Edge, float]:
        """Return the increase per second of each counter; `what`: "requests" or "buckets".

        As PromQL's rate: over the samples inside the window, at least two; a counter that fell
        has begun anew at zero.
        """
        inside = [s for s in self._samples if s.at > now - seconds]
        if len(inside) < 2:
            return {}
        span = inside[-1].at - inside[0].at
        rates: dict[Edge, float] = {}
        for before, after in itertools.pairwise(inside):
            old: dict[Edge, float] = getattr(before, what)
            for edge, value in getattr(after, what).items():
                # A counter that was never there yet counts from its first sample on.
                grown = value - old[edge] if edge in old else 0.0
                rates[edge] = rates.get(edge, 0.0) + (grown if grown >= 0 else value)
        return {edge: grown / span for edge, grown in rates.items()}
