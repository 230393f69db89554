"""What one Envoy is told about the mesh, as plain data.

These shapes carry what istiod derives from the mesh objects and nothing else: enough to configure
an Envoy, to predict its split and to compare with a real one. Names of fields follow Envoy's API;
durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Caller:
    """The proxy that asks: where it runs and which labels its Pod carries."""

    region: str
    zone: str = ""
    cluster: str = ""
    namespace: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PodEndpoint:
    """A Pod of the caller's own cluster that a workload selector may pick."""

    namespace: str
    address: str
    labels: Mapping[str, str]
    region: str = ""
    zone: str = ""
    ready: bool = True


@dataclass(frozen=True)
class Host:
    """One endpoint inside an Envoy cluster. `weight` counts within its locality."""

    address: str
    port: int
    weight: int = 1
    healthy: bool = True


@dataclass(frozen=True)
class Locality:
    """Endpoints that share region, zone and priority.

    `weight` is the locality's share inside its priority, whole numbers. Lower priorities are used
    first, without gaps, starting at 0.
    """

    region: str
    zone: str
    priority: int
    weight: int
    hosts: tuple[Host, ...]


@dataclass(frozen=True)
class OutlierDetection:
    """When Envoy stops sending to a host. None for a counter: that detector is off."""

    consecutive_5xx: int | None = 5
    consecutive_gateway_failure: int | None = None
    consecutive_local_origin_failure: int | None = None
    split_external_local_origin_errors: bool = False
    interval_seconds: float = 10.0
    base_ejection_seconds: float = 30.0
    max_ejection_percent: int = 10


@dataclass(frozen=True)
class EnvoyCluster:
    """An Envoy cluster; `name` is istiod's `outbound|PORT||HOST`.

    `panic_threshold`: per cent of healthy hosts below which health is ignored; istiod sets 0 with
    outlier detection, Envoy's own default is 50. `locality_weighted`: whether Envoy honours the
    localities' weights.
    """

    name: str
    host: str
    port: int
    lb_policy: str
    localities: tuple[Locality, ...]
    outlier_detection: OutlierDetection | None = None
    panic_threshold: int | None = None
    locality_weighted: bool = False
    connect_timeout_seconds: float = 10.0
    max_connection_duration_seconds: float | None = None
    max_requests_per_connection: int | None = None


@dataclass(frozen=True)
class RetryPolicy:
    """How often and where Envoy tries again.

    `remote_localities`: retries skip the priorities that were tried already (Envoy's
    `previous_priorities`, with istiod's fixed update frequency of 2).
    """

    attempts: int = 2
    retry_on: tuple[str, ...] = ()
    retriable_status_codes: tuple[int, ...] = ()
    per_try_timeout_seconds: float | None = None
    remote_localities: bool = False


@dataclass(frozen=True)
class WeightedCluster:
    """A destination of a route; the weights of one route sum to 100."""

    cluster: str
    weight: int = 100


@dataclass(frozen=True)
class Route:
    """One route of a virtual host; without another `prefix` it matches every path."""

    clusters: tuple[WeightedCluster, ...]
    prefix: str = "/"
    timeout_seconds: float | None = None
    retry: RetryPolicy | None = None


@dataclass(frozen=True)
class VirtualHost:
    """Names a caller may use in the Host header on one port, and where requests then go."""

    name: str
    port: int
    domains: tuple[str, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class EnvoyConfig:
    """Everything one caller's Envoy gets from the objects of its cluster."""

    clusters: tuple[EnvoyCluster, ...]
    virtual_hosts: tuple[VirtualHost, ...]

    def cluster(self, name: str) -> EnvoyCluster:
        """Return the cluster of that name, or raise KeyError."""
        for candidate in self.clusters:
            if candidate.name == name:
                return candidate
        raise KeyError(name)
