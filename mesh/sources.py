"""Asks clusters what they hold and what their Prometheus measured: side by side, each in its time.

A cluster that does not answer costs nobody else anything: its answer carries the error. Nothing
is written here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import connections

from clusters import kube
from clusters.models import Cluster
from fleet_portal.common.text import N_
from mesh.domain import queries
from mesh.domain.placements import Placement, count_endpoints, read_placement
from mesh.domain.traffic import EdgeKey, Rates, read_edges, scalar

logger = logging.getLogger(__name__)

SLICES = "discovery.k8s.io/v1"
ISTIO = "networking.istio.io/v1"

# Kept on rows as they stand here and translated when a page is rendered.
LATE = N_("no answer in time")
AWAY = N_("the cluster is away")
NO_ISTIO = N_("Istio is not installed there: it knows no VirtualService")
NO_SCRAPE = N_("Prometheus has scraped nothing yet")

Answer = TypeVar("Answer")

_pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="mesh-ask")
_busy: set[tuple[str, int]] = set()
_busy_lock = threading.Lock()


@dataclass(frozen=True)
class TrafficAnswer:
    """What one cluster told. `age_seconds`: of its newest scrape, by its own clock.

    `endpoints`: (namespace, service) -> zone -> (ready, total); None when it could not be read.
    """

    edges: Mapping[EdgeKey, Rates] = field(default_factory=dict)
    age_seconds: float | None = None
    scraped_share: float | None = None
    endpoints: Mapping[tuple[str, str], Mapping[str, tuple[int, int]]] | None = None
    error: str = ""


@dataclass(frozen=True)
class PlacementAnswer:
    placement: Placement | None = None
    error: str = ""


def ask_traffic(
    clusters: Iterable[Cluster],
    windows: Mapping[int, int],
    services: Sequence[tuple[str, str]],
    ids: Mapping[str, str],
    deadline_seconds: float,
) -> dict[int, TrafficAnswer]:
    """Return cluster id -> answer; `windows`: cluster id -> rate window in seconds."""

    def ask(cluster: Cluster) -> TrafficAnswer:
        return _ask_traffic(cluster, windows[cluster.pk], services, ids)

    late = TrafficAnswer(error=LATE)
    return _side_by_side("traffic", clusters, ask, late, deadline_seconds)


def ask_placements(
    clusters: Iterable[Cluster], project: str, namespace: str, name: str, deadline_seconds: float
) -> dict[int, PlacementAnswer]:
    """Return cluster id -> what it holds of the service, read as the project."""

    def ask(cluster: Cluster) -> PlacementAnswer:
        return _ask_placement(cluster, project, namespace, name)

    late = PlacementAnswer(error=LATE)
    kind = f"placement {namespace}/{name}"
    return _side_by_side(kind, clusters, ask, late, deadline_seconds)


def _side_by_side(
    kind: str,
    clusters: Iterable[Cluster],
    ask: Callable[[Cluster], Answer],
    late: Answer,
    deadline_seconds: float,
) -> dict[int, Answer]:
    """Ask all at once; who is still busy with an earlier question is late without being asked."""
    ends = time.monotonic() + deadline_seconds
    asked: dict[int, Future[Answer]] = {}
    answers: dict[int, Answer] = {}
    for cluster in clusters:
        answers[cluster.pk] = late
        key = (kind, cluster.pk)
        with _busy_lock:
            if key in _busy:
                continue
            _busy.add(key)
        asked[cluster.pk] = _pool.submit(_run, key, ask, cluster)
    wait(asked.values(), timeout=max(0.0, ends - time.monotonic()))
    for pk, future in asked.items():
        if future.done():
            answers[pk] = future.result()
    return answers


def _run(key: tuple[str, int], ask: Callable[[Cluster], Answer], cluster: Cluster) -> Answer:
    try:
        return ask(cluster)
    finally:
        with _busy_lock:
            _busy.discard(key)
        connections.close_all()


def _ask_traffic(
    cluster: Cluster, window: int, services: Sequence[tuple[str, str]], ids: Mapping[str, str]
) -> TrafficAnswer:
    endpoints = _ask_endpoints(cluster, services)
    try:
        freshness = kube.query(cluster, queries.FRESHNESS)
        newest = scalar(freshness)
        if newest is None:
            return TrafficAnswer(endpoints=endpoints, error=NO_SCRAPE)
        share = scalar(kube.query(cluster, queries.SCRAPED_SHARE))
        requests = kube.query(cluster, queries.requests(window))
        buckets = kube.query(cluster, queries.latency_buckets(window))
    except kube.KubeError as error:
        return TrafficAnswer(endpoints=endpoints, error=str(error))
    # Both times are the cluster's own, so a clock that is off does not age the numbers.
    age = max(0.0, float(freshness[0]["value"][0]) - newest)
    edges = read_edges(cluster.name, requests, buckets, ids)
    return TrafficAnswer(edges, age, share, endpoints)


def _ask_endpoints(
    cluster: Cluster, services: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, tuple[int, int]]] | None:
    by_namespace: dict[str, list[str]] = defaultdict(list)
    for namespace, name in services:
        by_namespace[namespace].append(name)
    found: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
    try:
        for namespace, names in by_namespace.items():
            slices = _endpoint_slices(cluster, namespace, names)
            for name in names:
                found[namespace, name] = count_endpoints(slices, name)
    except kube.KubeError as error:
        logger.debug("endpoints of %s are not known: %s", cluster.name, error)
        return None
    return found


def _ask_placement(cluster: Cluster, project: str, namespace: str, name: str) -> PlacementAnswer:
    identity = f"project:{project}"
    try:
        routes = kube.list_(cluster, identity, ISTIO, "VirtualService", namespace)
    except kube.KubeNotFound:
        return PlacementAnswer(error=NO_ISTIO)
    except kube.KubeError as error:
        return PlacementAnswer(error=str(error))
    try:
        service = _service(cluster, identity, namespace, name)
        slices = _endpoint_slices(cluster, namespace, [name])
    except kube.KubeError as error:
        return PlacementAnswer(error=str(error))
    return PlacementAnswer(read_placement(namespace, name, service, routes, slices))


def _service(cluster: Cluster, identity: str, namespace: str, name: str) -> dict[str, Any] | None:
    try:
        return kube.get(cluster, identity, "v1", "Service", namespace, name)
    except kube.KubeNotFound:
        return None


def _endpoint_slices(
    cluster: Cluster, namespace: str, names: Sequence[str]
) -> list[dict[str, Any]]:
    wanted = f"kubernetes.io/service-name in ({','.join(sorted(names))})"
    return kube.list_(
        cluster, kube.OBSERVER, SLICES, "EndpointSlice", namespace, label_selector=wanted
    )
