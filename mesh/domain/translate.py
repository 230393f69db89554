"""From mesh objects to what istiod gives one Envoy: clusters, priorities, weights, routes.

`translate(objects, caller, endpoints)` reads the manifests back, never the model they came from,
so it also shows what a hand-edited object would do. `objects` is what one cluster holds (dicts as
the Kubernetes API gives them: Service, ServiceEntry, WorkloadEntry, DestinationRule,
VirtualService; other kinds are ignored), `endpoints` the Pods of that cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    "VirtualHost",
    "WeightedCluster",
    "translate",
]


def translate(
    objects: Sequence[dict[str, Any]],
    caller: Caller,
    endpoints: Sequence[PodEndpoint] = (),
) -> EnvoyConfig:
    """Return what the caller's Envoy gets from the objects and Pods of its cluster."""
    return EnvoyConfig(clusters=(), virtual_hosts=())
