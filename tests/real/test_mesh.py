"""The service's own name, told by a real istiod to a real Envoy, seen by a real Prometheus."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.real.envoy import Answer, Caller, Envoy
from tests.real.fixtures import ControlPlanes, require
from tests.real.istio import Istiod
from tests.real.launcher import ControlPlane
from tests.real.pods import ServedPods
from tests.real.prometheus import Prometheus, Target

pytestmark = pytest.mark.real

OWN_NAME = "orders.{namespace}.svc.cluster.local"
STUB = "orders.{namespace}.fleet.local"
WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: orders}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: orders}}}}
  template:
    metadata: {{labels: {{app: orders}}}}
    spec:
      containers: [{{name: orders, image: "example.com/orders:1"}}]
---
apiVersion: v1
kind: Service
metadata: {{name: orders}}
spec:
  selector: {{app: orders}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
"""
MESH = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: stub-orders}}
spec:
  hosts: [{stub}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]
  workloadSelector: {{labels: {{app: orders}}}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: orders-us, labels: {{app: orders}}}}
spec: {{address: {remote}, locality: us/us-a, labels: {{app: orders}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: stub-orders}}
spec:
  host: {stub}
  trafficPolicy:
    loadBalancer:
      simple: LEAST_REQUEST
      localityLbSetting: {{failover: [{{from: eu, to: us}}]}}
    outlierDetection:
      consecutiveGatewayErrors: 3
      consecutive5xxErrors: 0
      interval: 1s
      baseEjectionTime: 30s
      maxEjectionPercent: 100
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: stub-orders}}
spec:
  hosts: [{own}]
  http: [{{route: [{{destination: {{host: {stub}, port: {{number: 80}}}}}}]}}]
"""


@dataclass
class Mesh:
    """Two clusters that both run `orders`, and a caller in eu."""

    eu: ControlPlane
    namespace: str
    caller: Envoy
    local_pods: ServedPods
    remote_pods: ServedPods

    @property
    def own_name(self) -> str:
        return OWN_NAME.format(namespace=self.namespace)

    @property
    def stub(self) -> str:
        return STUB.format(namespace=self.namespace)


@pytest.fixture(scope="module")
def istiod(control_planes: ControlPlanes) -> Iterator[Istiod]:
    require("pilot-discovery")
    started = Istiod.start(control_planes.of("eu", "us")[0])
    yield started
    started.stop()


@pytest.fixture
def mesh(
    control_planes: ControlPlanes, istiod: Istiod, make_namespace: Callable[[ControlPlane], str]
) -> Iterator[Mesh]:
    eu, us = control_planes.of("eu", "us")
    namespaces = {plane.name: make_namespace(plane) for plane in (eu, us)}
    for plane in (eu, us):
        plane.kubectl("apply", "-n", namespaces[plane.name], "-f", "-", input=WORKLOAD.format())
    namespace = namespaces["eu-1"]
    with (
        ServedPods(eu, namespace, "app=orders", 8080) as local,
        ServedPods(us, namespaces["us-1"], "app=orders", 8080) as remote,
    ):
        local.wait_for(2)
        remote.wait_for(2)
        names = {name: text.format(namespace=namespace) for name, text in _NAMES.items()}
        address = next(iter(remote.servers.values())).address
        eu.kubectl("apply", "-n", namespace, "-f", "-", input=MESH.format(remote=address, **names))
        caller = Caller("shop", namespace, "10.192.9.9", "eu", "eu-a")
        with Envoy.told_by(istiod, caller) as envoy:
            yield Mesh(eu, namespace, envoy, local, remote)


@pytest.fixture
def prometheus(mesh: Mesh) -> Iterator[Prometheus]:
    zones = {"eu-a": "eu-1", "eu-b": "eu-1", "us-a": "us-1", "us-b": "us-1"}
    started = Prometheus.start(mesh.eu, [Target(mesh.caller, "eu-1")], zones)
    yield started
    started.stop()


_NAMES = {"own": OWN_NAME, "stub": STUB}


def region_of(answer: Answer) -> str:
    return str(answer.json()["region"]) if answer.status == 200 else ""


def test_priorities_are_local_zone_then_region_then_the_rest(mesh: Mesh) -> None:
    cluster = mesh.caller.wait_for_cluster(
        f"outbound|80||{mesh.stub}", lambda found: len(found.get("host_statuses", [])) == 3
    )
    priorities = {
        host["locality"]["zone"]: host.get("priority", 0) for host in cluster["host_statuses"]
    }
    assert priorities == {"eu-a": 0, "eu-b": 1, "us-a": 2}


def test_own_name_reaches_local_pods(mesh: Mesh) -> None:
    mesh.caller.request_until(mesh.own_name, lambda answer: answer.status == 200)
    answers = [mesh.caller.request(mesh.own_name) for _ in range(10)]
    assert {region_of(answer) for answer in answers} == {"eu"}


def test_other_region_answers_when_local_pods_are_killed(mesh: Mesh) -> None:
    mesh.caller.request_until(mesh.own_name, lambda answer: region_of(answer) == "eu")
    mesh.local_pods.stop()
    mesh.caller.request_until(mesh.own_name, lambda answer: region_of(answer) == "us")
    answers = [mesh.caller.request(mesh.own_name) for _ in range(10)]
    assert {region_of(answer) for answer in answers} == {"us"}


def test_prometheus_tells_who_answered(mesh: Mesh, prometheus: Prometheus) -> None:
    mesh.caller.request_until(mesh.own_name, lambda answer: region_of(answer) == "eu")
    mesh.local_pods.stop()
    mesh.caller.request_until(mesh.own_name, lambda answer: region_of(answer) == "us")
    series = f'istio_requests_total{{destination_service="{mesh.stub}",response_code="200"}}'
    prometheus.wait_for(f"{series} and on() count({series}) == 2")
    edges = {
        (sample["metric"]["source_cluster"], sample["metric"]["destination_cluster"])
        for sample in prometheus.query(series)
    }
    assert edges == {("eu-1", "eu-1"), ("eu-1", "us-1")}


def test_prometheus_tells_what_nobody_could_take(mesh: Mesh, prometheus: Prometheus) -> None:
    mesh.eu.kubectl("delete", "workloadentry", "-n", mesh.namespace, "orders-us")
    mesh.eu.kubectl("scale", "-n", mesh.namespace, "deployment/orders", "--replicas=0")
    mesh.caller.request_until(mesh.own_name, lambda answer: b"no healthy upstream" in answer.body)
    series = f'istio_requests_total{{destination_service="{mesh.stub}",response_flags="UH"}}'
    sample = prometheus.wait_for(series)[0]
    assert sample["metric"]["destination_cluster"] == "unknown"
    assert sample["metric"]["response_code"] == "503"


def test_latency_is_told_by_edge(mesh: Mesh, prometheus: Prometheus) -> None:
    mesh.caller.request_until(mesh.own_name, lambda answer: region_of(answer) == "eu")
    series = f'istio_request_duration_milliseconds_bucket{{destination_service="{mesh.stub}"}}'
    samples = prometheus.wait_for(series)
    assert {sample["metric"]["destination_cluster"] for sample in samples} == {"eu-1"}
    assert "+Inf" in {sample["metric"]["le"] for sample in samples}
