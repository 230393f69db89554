"""A service as the mesh knows it: name, ports, selector, read from Kubernetes Services.

One name in one namespace is one service in every cluster (namespace sameness), so the clusters
that run it must agree on ports and selector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet_portal.common.text import N_

STUB_DOMAIN = "fleet.local"
CLUSTER_DOMAIN = "svc.cluster.local"
APPLICATION_LABEL = "fleet-portal.io/application"

# Istio's explicit protocol selection: the port name's prefix, or appProtocol.
_HTTP_PROTOCOLS = {
    "http": "HTTP",
    "http2": "HTTP2",
    "grpc": "GRPC",
    "grpc-web": "GRPC-WEB",
    "kubernetes.io/h2c": "HTTP2",
    "kubernetes.io/ws": "HTTP",
}
_NOT_HTTP = frozenset(
    {"tcp", "tls", "https", "udp", "mysql", "mongo", "redis", "kubernetes.io/wss"}
)


class NotRoutable(ValueError):
    """The service can't be reached across clusters; `sentence` % `values` says why."""

    def __init__(self, sentence: str, **values: str) -> None:
        super().__init__(sentence % values)
        self.sentence = sentence
        self.values = values


@dataclass(frozen=True)
class Port:
    """One port of a service; `protocol` is a word Istio knows (HTTP, HTTP2, GRPC, GRPC-WEB)."""

    number: int
    name: str = "http"
    protocol: str = "HTTP"
    target: int = 0

    @property
    def target_port(self) -> int:
        return self.target or self.number


@dataclass(frozen=True)
class Service:
    """A name that callers use, the same in every cluster."""

    name: str
    namespace: str
    ports: tuple[Port, ...]
    selector: Mapping[str, str] = field(default_factory=dict)
    service_account: str = ""

    @property
    def own_host(self) -> str:
        """The name callers already use."""
        return f"{self.name}.{self.namespace}.{CLUSTER_DOMAIN}"

    @property
    def stub_host(self) -> str:
        """The host that holds local Pods and every remote region."""
        return f"{self.name}.{self.namespace}.{STUB_DOMAIN}"


def service_of_stub(host: str) -> tuple[str, str] | None:
    """Return (namespace, name) of a stub host, or None for any other host."""
    parts = host.rstrip(".").split(".")
    if len(parts) != 4 or ".".join(parts[2:]) != STUB_DOMAIN:
        return None
    return parts[1], parts[0]


def application_name(namespace: str, name: str) -> str:
    """Return the name of a service's system application: readable, short, unambiguous."""
    plain = f"mesh-{namespace}-{name}"
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:8]
    # "a-b" in "c" and "b" in "c-a" would read the same.
    return f"{plain[:41].rstrip('-')}-{digest}"


def is_ours(obj: Mapping[str, Any], namespace: str, name: str) -> bool:
    """Tell whether the mesh made this object for that service.

    What the portal rolls out as an application is its owners', though the portal manages both.
    """
    labels = obj.get("metadata", {}).get("labels") or {}
    return bool(labels.get(APPLICATION_LABEL) == application_name(namespace, name))


def protocol_of(port: Mapping[str, Any]) -> str:
    """Return the port's protocol as Istio would select it; raise NotRoutable unless it is HTTP.

    A port without any hint counts as HTTP: Istio would sniff it.
    """
    name = str(port.get("name") or "")
    hint = str(port.get("appProtocol") or "").lower()
    if not hint:
        hint = "grpc-web" if name.startswith("grpc-web") else name.split("-", 1)[0].lower()
    if hint in _NOT_HTTP or port.get("protocol", "TCP") != "TCP":
        raise NotRoutable(
            N_(
                "Port %(port)s is not HTTP: only HTTP, HTTP/2 and gRPC ports can be reached "
                "across clusters. Move it to a Service of its own."
            ),
            port=name or str(port.get("port")),
        )
    return _HTTP_PROTOCOLS.get(hint, "HTTP")


def read_service(obj: Mapping[str, Any]) -> Service:
    """Return the Service object as the mesh sees it; raise NotRoutable when it can't be shared."""
    meta, spec = obj["metadata"], obj.get("spec", {})
    selector = spec.get("selector") or {}
    if spec.get("type") == "ExternalName" or not selector:
        raise NotRoutable(
            N_("Service %(name)s selects no Pods: only a Service with a selector can be shared."),
            name=meta["name"],
        )
    ports = tuple(_read_port(port, meta["name"]) for port in spec.get("ports", []))
    if not ports:
        raise NotRoutable(N_("Service %(name)s has no ports."), name=meta["name"])
    return Service(meta["name"], meta["namespace"], ports, dict(selector))


def _read_port(port: Mapping[str, Any], service_name: str) -> Port:
    protocol = protocol_of(port)
    target = port.get("targetPort") or port["port"]
    if not isinstance(target, int):
        raise NotRoutable(
            N_(
                "Port %(port)s of Service %(name)s names its target port %(target)s: "
                "write it as a number, a name can differ from Pod to Pod."
            ),
            port=str(port["port"]),
            name=service_name,
            target=str(target),
        )
    return Port(int(port["port"]), str(port.get("name") or "http"), protocol, target)


def agree(found: Mapping[str, Mapping[str, Any]]) -> Service:
    """Return the one service that all clusters mean; `found`: cluster name -> Service object.

    Raises NotRoutable when there is none, or when ports or selector differ between clusters.
    """
    read: Sequence[tuple[str, Service]] = [
        (cluster, read_service(obj)) for cluster, obj in sorted(found.items())
    ]
    if not read:
        raise NotRoutable(
            N_("No cluster has a Service of this name: deploy it first, then share it.")
        )
    first_cluster, first = read[0]
    for cluster, other in read[1:]:
        if other != first:
            raise NotRoutable(
                N_(
                    "The Service differs between %(one)s and %(other)s (ports or selector): "
                    "make them equal first."
                ),
                one=first_cluster,
                other=cluster,
            )
    return first
