"""What a cluster holds of a service: read from its Service, routes and EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh.domain.routes import full_host
from mesh.domain.services import CLUSTER_DOMAIN, is_ours

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Placement:
    """`zones`: zone -> (ready, total) endpoints; `service`: the owners' own Service object."""

    service: Manifest | None = None
    own_route: str = ""
    zones: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def runs_service(self) -> bool:
        return self.service is not None

    @property
    def ready(self) -> int:
        return sum(ready for ready, _ in self.zones.values())

    @property
    def total(self) -> int:
        return sum(total for _, total in self.zones.values())


def read_placement(
    namespace: str,
    name: str,
    service: Manifest | None,
    routes: Iterable[Manifest],
    slices: Iterable[Manifest],
) -> Placement:
    """Return what the cluster holds, leaving out what the portal itself put there."""
    own = service if service is not None and not is_ours(service, namespace, name) else None
    host = f"{name}.{namespace}.{CLUSTER_DOMAIN}"
    theirs = [route for route in routes if not is_ours(route, namespace, name)]
    return Placement(own, _own_route(namespace, host, theirs), count_endpoints(slices, name))


def _own_route(namespace: str, host: str, routes: Iterable[Manifest]) -> str:
    """Return the first of the owners' routes that callers of `host` would take, or nothing."""
    for route in routes:
        spec = route.get("spec", {})
        hosts = {full_host(item, namespace) for item in spec.get("hosts") or []}
        if host in hosts and "mesh" in (spec.get("gateways") or ["mesh"]):
            return str(route["metadata"]["name"])
    return ""


def count_endpoints(slices: Iterable[Manifest], name: str) -> dict[str, tuple[int, int]]:
    """Return zone -> (ready, total) of one Service; terminating endpoints count for nothing.

    An address in several slices (dual stack, many ports) counts once, by the Pod behind it.
    """
    seen: dict[str, tuple[str, bool]] = {}
    for item in slices:
        labels = item["metadata"].get("labels") or {}
        if labels.get("kubernetes.io/service-name") != name:
            continue
        for endpoint in item.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            if conditions.get("terminating"):
                continue
            key = (endpoint.get("targetRef") or {}).get("uid") or endpoint["addresses"][0]
            seen[key] = (endpoint.get("zone") or "", conditions.get("ready") is not False)
    zones: dict[str, tuple[int, int]] = {}
    for zone, is_ready in seen.values():
        ready, total = zones.get(zone, (0, 0))
        zones[zone] = (ready + is_ready, total + 1)
    return zones
