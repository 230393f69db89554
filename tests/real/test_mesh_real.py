"""The portal's own mesh objects, told by a real istiod to a real Envoy, seen by a real Prometheus.

`eu` holds istiod and the caller; `us` and `ap` are what a caller is sent to when eu can't serve.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml
from django.utils import timezone

from clusters.kube import OBSERVER, KubeError, KubeNotFound
from fleet_portal.common.access import Access, access_of
from mesh import actions, loops, sources
from mesh.domain import queries
from mesh.domain.calc import split_by_region
from mesh.domain.services import Port, Service
from mesh.domain.stubs import ROUTE_KIND, Failover, Gateway, Site, objects_for
from mesh.domain.traffic import read_edges, scalar
from mesh.domain.translate import Caller, EnvoyCluster, PodEndpoint, VirtualHost, translate
from mesh.queries import board, matrix
from tests.factories import make_project, make_user
from tests.mesh.envoy_dump import ordered, read_cluster, read_virtual_host
from tests.mesh.rows import make_member
from tests.real.api import ApiError
from tests.real.envoy import Caller as Sidecar
from tests.real.envoy import Envoy
from tests.real.fixtures import ControlPlanes, require
from tests.real.istio import Istiod
from tests.real.launcher import ControlPlane
from tests.real.pods import PodServer, ServedPods, says, serve_pod
from tests.real.prometheus import Prometheus, Target

pytestmark = pytest.mark.real

WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders}
spec:
  replicas: 2
  selector: {matchLabels: {app: orders}}
  template:
    metadata: {labels: {app: orders}}
    spec: {containers: [{name: orders, image: "example.com/orders:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: orders}
spec:
  selector: {app: orders}
  ports: [{name: http, port: 80, targetPort: 8080}]
"""
FAST = Failover(consecutive_gateway_errors=3, consecutive_local_origin_failures=3,
                interval_seconds=1, base_ejection_seconds=3)  # fmt: skip
ZONES = {"eu-a": "eu-1", "eu-b": "eu-1", "us-a": "us-1", "ap-a": "ap-1"}
# Remote gateways: addresses of Pods that exist in no cluster, so that a test starts and stops them.
GATEWAYS = {"us-1": "10.223.1.1", "ap-1": "10.223.2.1"}


def service_in(namespace: str) -> Service:
    return Service("orders", namespace, (Port(80, "http", "HTTP", 8080),), {"app": "orders"})


def sites(**here: Any) -> list[Site]:
    eu = {"runs_service": True, "gateways": (Gateway("10.223.0.1", 8080),), **here}
    return [
        Site("eu-1", "eu", "eu-a", **eu),
        *(
            Site(name, name[:2], f"{name[:2]}-a", gateways=(Gateway(address, 8080),),
                 runs_service=True)
            for name, address in GATEWAYS.items()
        ),
    ]  # fmt: skip


@dataclass
class Region:
    """The cluster in eu with the portal's objects in it, and a caller there."""

    plane: ControlPlane
    namespace: str
    caller: Envoy
    objects: list[dict[str, Any]]

    @property
    def service(self) -> Service:
        return service_in(self.namespace)

    @property
    def stub_cluster(self) -> str:
        return f"outbound|80||{self.service.stub_host}"

    def apply(self, objects: list[dict[str, Any]]) -> None:
        """Apply as the portal does: the route once everything else is there."""
        self.objects = objects
        first = [obj for obj in objects if obj["kind"] != ROUTE_KIND]
        route = [obj for obj in objects if obj["kind"] == ROUTE_KIND]
        self.plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(first))
        self.caller.wait_for_cluster(
            self.stub_cluster, lambda found: bool(found.get("host_statuses"))
        )
        self.plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(route))

    def wait_routed(self) -> None:
        """Wait until the caller is told exactly what these objects and Pods mean."""
        config = predicted(self, self.pods())
        stub = config.cluster(self.stub_cluster)
        assert self.told(self.stub_cluster, stub) == stub
        name = f"{self.service.own_host}:80"
        assert self.routed(name, virtual_host(config, name)) == virtual_host(config, name)

    def pods(self) -> list[PodEndpoint]:
        """Return what istiod reads of the Pods: address, labels, place by their Node."""
        nodes = {node["metadata"]["name"]: node for node in self.plane.api.items("/api/v1/nodes")}
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return [_pod(pod, nodes) for pod in self.plane.api.items(path)]

    def live(self) -> list[dict[str, Any]]:
        """Return the objects of the namespace as the API server holds them."""
        kinds = "services,serviceentries,workloadentries,destinationrules,virtualservices"
        text = self.plane.kubectl("get", kinds, "-n", self.namespace, "-o", "json")
        found: list[dict[str, Any]] = json.loads(text)["items"]
        return found

    def dump(self) -> dict[str, Any]:
        dumped: dict[str, Any] = json.loads(self.caller.admin("/config_dump?include_eds"))
        return dumped

    def told(self, name: str, wanted: EnvoyCluster, deadline_seconds: float = 20) -> object:
        """Return what Envoy was told, as soon as that is what is wanted, or at the deadline."""
        return _eventually(lambda: read_cluster(self.dump(), name), wanted, deadline_seconds)

    def routed(self, name: str, wanted: VirtualHost, deadline_seconds: float = 20) -> object:
        return _eventually(lambda: read_virtual_host(self.dump(), name), wanted, deadline_seconds)


def _eventually(read: Callable[[], object], wanted: object, deadline_seconds: float) -> object:
    ends = time.monotonic() + deadline_seconds
    while (seen := read()) != wanted and time.monotonic() < ends:
        time.sleep(0.1)
    return seen


def _pod(pod: dict[str, Any], nodes: dict[str, Any]) -> PodEndpoint:
    labels = nodes[pod["spec"]["nodeName"]]["metadata"]["labels"]
    conditions = pod["status"].get("conditions", [])
    return PodEndpoint(
        pod["metadata"]["namespace"],
        pod["status"]["podIP"],
        pod["metadata"]["labels"],
        labels["topology.kubernetes.io/region"],
        labels["topology.kubernetes.io/zone"],
        any(item["type"] == "Ready" and item["status"] == "True" for item in conditions),
    )


@pytest.fixture(scope="module")
def istiod(control_planes: ControlPlanes) -> Iterator[Istiod]:
    require("pilot-discovery")
    started = Istiod.start(control_planes.get("eu"))
    yield started
    started.stop()


@pytest.fixture
def region(
    control_planes: ControlPlanes, istiod: Istiod, make_namespace: Callable[[ControlPlane], str]
) -> Iterator[Region]:
    plane = control_planes.get("eu")
    namespace = make_namespace(plane)
    sidecar = Sidecar("shop", namespace, "10.192.9.9", "eu", "eu-a")
    with Envoy.told_by(istiod, sidecar) as envoy:
        yield Region(plane, namespace, envoy, [])


@pytest.fixture
def running(region: Region) -> Iterator[tuple[Region, ServedPods]]:
    """eu runs two Pods of the service, and has the portal's objects."""
    region.plane.kubectl("apply", "-n", region.namespace, "-f", "-", input=WORKLOAD)
    with ServedPods(region.plane, region.namespace, "app=orders", 8080) as pods:
        pods.wait_for(2)
        everywhere = sites()
        region.apply(objects_for(region.service, everywhere[0], everywhere, ["us", "ap"], FAST))
        yield region, pods


@pytest.fixture
def us() -> Iterator[PodServer]:
    with serve_pod(GATEWAYS["us-1"], 8080, says(region="us")) as server:
        yield server


def caller_of(region: Region) -> Caller:
    return Caller("eu", "eu-a", "Kubernetes", region.namespace)


def predicted(region: Region, pods: list[PodEndpoint]) -> Any:
    """Return what `translate` makes of the live objects, hosts in one order."""
    config = translate(region.live(), caller_of(region), pods)
    clusters = tuple(
        replace(
            cluster,
            localities=tuple(
                replace(place, hosts=ordered(place.hosts)) for place in cluster.localities
            ),
        )
        for cluster in config.clusters
    )
    return replace(config, clusters=clusters)


def virtual_host(config: Any, name: str) -> VirtualHost:
    found: VirtualHost = next(item for item in config.virtual_hosts if item.name == name)
    return found


def test_translation_of_the_stub_is_what_istiod_tells(
    running: tuple[Region, ServedPods],
) -> None:
    region, _ = running
    wanted = predicted(region, region.pods()).cluster(region.stub_cluster)
    assert [place.priority for place in wanted.localities] == [0, 0, 1, 2]
    assert region.told(region.stub_cluster, wanted) == wanted


def test_translation_of_the_own_names_route_is_what_istiod_tells(
    running: tuple[Region, ServedPods],
) -> None:
    region, _ = running
    name = f"{region.service.own_host}:80"
    wanted = virtual_host(predicted(region, region.pods()), name)
    assert wanted.routes[0].clusters[0].cluster == region.stub_cluster
    assert region.routed(name, wanted) == wanted


def test_translation_holds_where_the_service_does_not_run(region: Region) -> None:
    everywhere = sites(runs_service=False)
    region.apply(objects_for(region.service, everywhere[0], everywhere, ["ap", "us"], FAST))
    config = predicted(region, [])
    wanted = config.cluster(region.stub_cluster)
    assert [place.region for place in wanted.localities] == ["ap", "us"]
    assert region.told(region.stub_cluster, wanted) == wanted
    name = f"{region.service.own_host}:80"
    assert region.routed(name, virtual_host(config, name)) == virtual_host(config, name)


def test_translation_follows_when_pods_go(running: tuple[Region, ServedPods]) -> None:
    region, pods = running
    region.plane.kubectl("scale", "-n", region.namespace, "deployment/orders", "--replicas=0")
    pods.wait_for(0)
    wanted = predicted(region, []).cluster(region.stub_cluster)
    assert wanted.localities[0].region == "us"
    assert region.told(region.stub_cluster, wanted) == wanted


def test_two_gateways_of_one_region_share_its_tier(region: Region) -> None:
    us = Site("us-1", "us", "us-a", runs_service=True,
              gateways=(Gateway("10.223.1.1", 8080), Gateway("10.223.1.2", 8080)))  # fmt: skip
    twin = Site("us-2", "us", "us-a", runs_service=True, gateways=(Gateway("10.223.1.3", 8080),))
    here = Site("eu-1", "eu")
    region.apply(objects_for(region.service, here, [here, us, twin], (), FAST))
    wanted = predicted(region, []).cluster(region.stub_cluster)
    assert [host.weight for host in wanted.localities[0].hosts] == [1, 1, 2]
    assert region.told(region.stub_cluster, wanted) == wanted


def region_of(answer: Any) -> str:
    return str(answer.json()["region"]) if answer.status == 200 else ""


def test_own_name_reaches_local_pods_then_the_nearest_region(
    running: tuple[Region, ServedPods], us: PodServer
) -> None:
    region, pods = running
    region.wait_routed()
    own = region.service.own_host
    region.caller.request_until(own, lambda answer: region_of(answer) == "eu")
    assert {region_of(region.caller.request(own)) for _ in range(20)} == {"eu"}
    pods.stop()
    answers = [region.caller.request(own) for _ in range(40)]
    # Retries leave the region before any ejection: callers see no error at all.
    assert {answer.status for answer in answers} == {200}
    assert {region_of(answer) for answer in answers[-10:]} == {"us"}


def test_own_name_has_an_answer_where_the_service_does_not_run(
    region: Region, us: PodServer
) -> None:
    everywhere = sites(runs_service=False)
    region.apply(objects_for(region.service, everywhere[0], everywhere, ["us", "ap"], FAST))
    answers = region.caller.request_until(
        region.service.own_host, lambda answer: region_of(answer) == "us"
    )
    assert answers[-1].status == 200


def test_envoys_split_is_the_predicted_one(
    running: tuple[Region, ServedPods], us: PodServer
) -> None:
    region, _ = running
    region.wait_routed()
    split = split_by_region(predicted(region, region.pods()).cluster(region.stub_cluster))
    region.caller.request_until(region.service.own_host, lambda answer: region_of(answer) == "eu")
    measured = [region_of(region.caller.request(region.service.own_host)) for _ in range(100)]
    assert split == {"eu": 100}
    assert measured.count("eu") == 100


def test_prometheus_says_where_requests_went_and_when_they_stopped(
    running: tuple[Region, ServedPods], us: PodServer
) -> None:
    region, pods = running
    own = region.service.own_host
    prometheus = Prometheus.start(region.plane, [Target(region.caller, "eu-1")], ZONES)
    try:
        _first_scrape(prometheus)
        region.caller.request_until(own, lambda answer: region_of(answer) == "eu")
        _send_until(region, prometheus, lambda rates: rates.get("eu-1", 0.0) > 1)
        pods.stop()
        rates = _send_until(
            region,
            prometheus,
            lambda rates: rates.get("us-1", 0.0) > 1 and not rates.get("eu-1"),
        )
        assert set(rates) <= {"eu-1", "us-1"}
        quiet_since = time.monotonic()
        while sum(_rates(region, prometheus).values()) > 0:
            assert time.monotonic() - quiet_since < 40
            time.sleep(0.2)
    finally:
        prometheus.stop()


def _first_scrape(prometheus: Prometheus) -> None:
    """Wait until the service proxy reaches Prometheus and it has scraped something."""
    ends = time.monotonic() + 40
    while time.monotonic() < ends:
        # Until the Service has its endpoint, the API server answers 503.
        with contextlib.suppress(ApiError):
            if prometheus.query(queries.FRESHNESS):
                return
        time.sleep(0.2)
    raise AssertionError("Prometheus scraped nothing")


def _rates(region: Region, prometheus: Prometheus) -> dict[str, float]:
    """Return destination cluster -> requests a second, by the portal's own queries."""
    assert scalar(prometheus.query(queries.FRESHNESS)) is not None
    ids = {name: name for name in ("eu-1", "us-1", "ap-1")}
    vector = prometheus.query(queries.requests(5))
    buckets = prometheus.query(queries.latency_buckets(5))
    edges = read_edges("eu-1", vector, buckets, ids)
    return {
        key.destination: rates.requests
        for key, rates in edges.items()
        if key.namespace == region.namespace
    }


def _send_until(
    region: Region, prometheus: Prometheus, wanted: Callable[[dict[str, float]], bool]
) -> dict[str, float]:
    ends = time.monotonic() + 40
    while time.monotonic() < ends:
        for _ in range(20):
            region.caller.request(region.service.own_host)
        if wanted(rates := _rates(region, prometheus)):
            return rates
    raise AssertionError(f"last rates: {rates}")


class ThroughTheApiServer:
    """Stands in for `clusters.kube` without tunnel and agent: the administrator's own client."""

    KubeError, KubeNotFound, OBSERVER = KubeError, KubeNotFound, OBSERVER

    def __init__(self, plane: ControlPlane, prometheus: Prometheus) -> None:
        self.plane, self.prometheus = plane, prometheus

    def query(self, cluster: Any, promql: str) -> list[dict[str, Any]]:
        try:
            return self.prometheus.query(promql)
        except (ApiError, OSError) as error:
            raise KubeError(str(error)) from None

    def list_(
        self,
        cluster: Any,
        identity: str,
        api_version: str,
        kind: str,
        namespace: str,
        label_selector: str = "",
    ) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"labelSelector": label_selector})
        path = f"/apis/{api_version}/namespaces/{namespace}/{kind.lower()}s?{query}"
        return self.plane.api.items(path)

    def get(
        self, cluster: Any, identity: str, api_version: str, kind: str, namespace: str, name: str
    ) -> dict[str, Any]:
        path = f"/api/{api_version}/namespaces/{namespace}/{kind.lower()}s/{name}"
        try:
            return self.plane.api.get(path)
        except ApiError as error:
            raise KubeNotFound(str(error)) from None


@dataclass
class Watched:
    """A portal's rows fed by the real parts; `turn()` is one turn of its loop."""

    region: Region
    access: Access
    prometheus: Prometheus

    def turn(self, requests: int = 30) -> None:
        for _ in range(requests):
            self.region.caller.request(self.region.service.own_host)
        loops.observe_traffic()

    def until(self, holds: Callable[[], bool], seconds: float, requests: int = 30) -> float:
        """Turn until it holds; return how long that took, in seconds."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < seconds, self.board()
            self.turn(requests)
            time.sleep(0.3)
        return time.monotonic() - began

    def board(self) -> dict[str, tuple[str, str]]:
        rows = board(self.access, timezone.now())
        return {row.region.name: (row.status.value, row.cause) for row in rows}

    def state(self) -> str:
        return self.board()["eu"][0]

    def cell(self, destination: str) -> Any:
        found = matrix(self.access, timezone.now())
        row = next(row for row in found.rows if row.region == "eu")
        return next(cell for cell in row.cells if cell.destination == destination)


@pytest.fixture
def watched(
    running: tuple[Region, ServedPods], db: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[Watched]:
    region, _ = running
    settings.FLEET_MESH_TICK_SECONDS = 1.0
    settings.FLEET_MESH_RATE_WINDOW_SECONDS = 5.0
    project = make_project("shop-team")
    for name in ("eu-1", "us-1", "ap-1"):
        make_member(project, name, region.namespace)
    prometheus = Prometheus.start(region.plane, [Target(region.caller, "eu-1")], ZONES)
    _first_scrape(prometheus)
    monkeypatch.setattr(sources, "kube", ThroughTheApiServer(region.plane, prometheus))
    # us and ap have no Prometheus here: they stay unknown beside eu.
    asked = lambda cluster, now: cluster.name == "eu-1"  # noqa: E731
    monkeypatch.setattr(loops, "_is_due", asked)
    actions.mark_reachable(project, region.namespace, "orders", "test", nearest=["us", "ap"])
    yield Watched(region, access_of(make_user(role="viewer")), prometheus)
    prometheus.stop()


def test_the_board_says_failed_over_zero_and_unknown(
    watched: Watched, running: tuple[Region, ServedPods], us: PodServer
) -> None:
    _, pods = running
    watched.until(lambda: watched.state() == "healthy" and watched.cell("eu").requests > 1, 40)
    pods.stop()
    watched.until(lambda: watched.state() == "failed_over", 60)
    assert watched.cell("us").requests > 1
    assert "served elsewhere" in watched.board()["eu"][1]
    # The promise is 10 s; a test allows four times that.
    watched.until(lambda: watched.cell("us").requests == 0, 40, requests=0)
    assert watched.cell("us").known
    watched.prometheus.stop()
    watched.until(lambda: watched.state() == "unknown", 60, requests=0)
    row = next(row for row in board(watched.access, timezone.now()) if row.region.name == "eu")
    assert row.sampled_at is not None
    assert not watched.cell("us").known
