"""How istiod turns Services, ServiceEntries and VirtualServices into Envoy's virtual hosts.

The rules follow istio/istio `pilot/pkg/networking/core/httproute.go` (domains of a host) and
`core/route/route.go` (routes). Ports are left out of domains: istiod has Envoy ignore them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.domain.envoy import Caller, RetryPolicy, Route, VirtualHost, WeightedCluster
from mesh.domain.services import CLUSTER_DOMAIN

DEFAULT_RETRY = RetryPolicy(
    attempts=2,
    retry_on=(
        "connect-failure",
        "refused-stream",
        "unavailable",
        "cancelled",
        "retriable-status-codes",
    ),
)


class Untranslatable(ValueError):
    """The object uses a field whose effect is not modelled; the message names it."""


@dataclass(frozen=True)
class RegistryHost:
    """A host name that istiod knows, from a Service or a ServiceEntry."""

    host: str
    namespace: str
    ports: tuple[int, ...]
    addresses: tuple[str, ...] = ()


def cluster_name(host: str, port: int) -> str:
    return f"outbound|{port}||{host}"


def seconds(text: str) -> float:
    """Return the seconds of a duration such as `1.5s`, `200ms`, `1m30s`."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    total, digits, rest = 0.0, "", text
    while rest:
        if rest[0].isdigit() or rest[0] == ".":
            digits, rest = digits + rest[0], rest[1:]
            continue
        unit = "ms" if rest.startswith("ms") else rest[0]
        if unit not in units or not digits:
            raise ValueError(f"not a duration: {text!r}")
        total, digits, rest = total + float(digits) * units[unit], "", rest[len(unit) :]
    if digits:
        raise ValueError(f"not a duration: {text!r}")
    return total


def full_host(host: str, namespace: str) -> str:
    """Return the host that a VirtualService or DestinationRule means by a short name."""
    return host if "." in host else f"{host}.{namespace}.{CLUSTER_DOMAIN}"


def domains_of(known: RegistryHost, caller: Caller) -> tuple[str, ...]:
    """Return every name by which this caller may ask for the host."""
    names = [known.host, f"{known.host}."]
    if known.host.endswith(f".{CLUSTER_DOMAIN}"):
        short, namespace = known.host.split(".")[:2]
        if namespace == caller.namespace:
            names.append(short)
        names += [f"{short}.{namespace}.svc", f"{short}.{namespace}"]
    return (*names, *known.addresses)


def virtual_hosts(
    registry: Sequence[RegistryHost], services: Sequence[Mapping[str, Any]], caller: Caller
) -> tuple[VirtualHost, ...]:
    """Return the virtual hosts of every port; `services`: VirtualService objects, oldest first."""
    found: list[VirtualHost] = []
    for port in sorted({port for known in registry for port in known.ports} | {80}):
        by_host = {known.host: known for known in registry if port in known.ports}
        routed: dict[str, VirtualHost] = {}
        for virtual_service in services:
            for vhost in _of_virtual_service(virtual_service, by_host, port, caller):
                routed.setdefault(vhost.name, vhost)
        for known in by_host.values():
            name = f"{known.host}:{port}"
            routed.setdefault(name, VirtualHost(name, port, domains_of(known, caller), (
                Route((WeightedCluster(cluster_name(known.host, port)),), retry=DEFAULT_RETRY),
            )))  # fmt: skip
        found.extend(vhost for _, vhost in sorted(routed.items()))
    return tuple(found)


def _of_virtual_service(
    virtual_service: Mapping[str, Any],
    by_host: Mapping[str, RegistryHost],
    port: int,
    caller: Caller,
) -> list[VirtualHost]:
    spec = virtual_service.get("spec", {})
    namespace = virtual_service["metadata"].get("namespace", "default")
    if "mesh" not in (spec.get("gateways") or ["mesh"]):
        return []
    hosts = [full_host(host, namespace).lower() for host in spec.get("hosts", [])]
    matched = [by_host[host] for host in hosts if host in by_host]
    if not matched and port != 80:
        return []
    routes = tuple(_route(entry, namespace, by_host, port) for entry in spec.get("http", []))
    if not routes:
        return []
    found = [
        VirtualHost(f"{known.host}:{port}", port, domains_of(known, caller), routes)
        for known in matched
    ]
    # Names of no known service exist on port 80 only, or beside one that is known.
    unknown = [host for host in hosts if host not in by_host]
    return found + [VirtualHost(f"{host}:{port}", port, (host,), routes) for host in unknown]


def _route(
    entry: Mapping[str, Any], namespace: str, by_host: Mapping[str, RegistryHost], port: int
) -> Route:
    for field in ("redirect", "directResponse", "delegate", "rewrite", "fault", "mirror"):
        if entry.get(field):
            raise Untranslatable(f"http.{field}")
    targets = entry.get("route", [])
    weighted = [target for target in targets if len(targets) == 1 or target.get("weight", 0)]
    return Route(
        clusters=tuple(
            WeightedCluster(
                _destination(target["destination"], namespace, by_host, port),
                100 if len(targets) == 1 else int(target["weight"]),
            )
            for target in weighted
        ),
        prefix=_prefix(entry.get("match") or []),
        timeout_seconds=seconds(entry["timeout"]) if entry.get("timeout") else None,
        retry=_retry(entry.get("retries")),
    )


def _prefix(matches: Sequence[Mapping[str, Any]]) -> str:
    if not matches:
        return "/"
    match = matches[0]
    prefix = match.get("uri", {}).get("prefix")
    if len(matches) > 1 or prefix is None or set(match) - {"uri", "name"}:
        raise Untranslatable("http.match")
    return str(prefix)


def _destination(
    destination: Mapping[str, Any],
    namespace: str,
    by_host: Mapping[str, RegistryHost],
    port: int,
) -> str:
    if destination.get("subset"):
        raise Untranslatable("destination.subset")
    host = full_host(destination["host"], namespace)
    number = (destination.get("port") or {}).get("number", port)
    return cluster_name(host, int(number))


def _retry(retries: Mapping[str, Any] | None) -> RetryPolicy | None:
    if retries is None:
        return DEFAULT_RETRY
    if int(retries.get("attempts", 0)) <= 0:
        return None
    words = [word.strip() for word in retries.get("retryOn", "").split(",") if word.strip()]
    codes = tuple(int(word) for word in words if word.isdigit())
    names = [word for word in words if not word.isdigit()]
    if codes and "retriable-status-codes" not in names:
        names.append("retriable-status-codes")
    per_try = retries.get("perTryTimeout")
    return RetryPolicy(
        attempts=int(retries["attempts"]),
        retry_on=tuple(names) or DEFAULT_RETRY.retry_on,
        retriable_status_codes=codes,
        per_try_timeout_seconds=seconds(per_try) if per_try else None,
        remote_localities=bool(retries.get("retryRemoteLocalities", False)),
    )
