"""Servers on Pods' addresses answer, and die, as Pods do."""

import http.client
import socket

import pytest

from tests.real.fixtures import require
from tests.real.launcher import ControlPlane
from tests.real.pods import PodServer, Request, Response, ServedPods, says, serve_pod
from tests.real.processes import accepts

pytestmark = pytest.mark.real
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web, version: "7"}}}}
    spec:
      containers: [{{name: web, image: "example.com/web:7"}}]
"""


@pytest.fixture(autouse=True)
def _inside() -> None:
    require()


def ask(server: PodServer, method: str = "GET", body: bytes = b"") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(server.address, server.port, timeout=5)
    connection.request(method, "/", body)
    answer = connection.getresponse()
    connection.close()
    return answer


def test_any_address_of_the_pod_network_can_be_served() -> None:
    with serve_pod("10.200.3.4", 8080, says(cluster="x")) as server:
        assert ask(server).status == 200
        assert server.requests == 1


def test_handler_sees_the_request_and_chooses_the_answer() -> None:
    def echo(request: Request) -> Response:
        return Response(418, request.method.encode() + request.body)

    with serve_pod("10.200.3.4", 8080, echo) as server:
        connection = http.client.HTTPConnection(server.address, server.port, timeout=5)
        connection.request("POST", "/", b"!")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (418, b"POST!")
        connection.close()


def test_a_stopped_server_refuses_and_drops_open_connections() -> None:
    server = serve_pod("10.200.3.4", 8080, says())
    with socket.create_connection((server.address, server.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(9) == b"HTTP/1.1 "
        server.stop()
        while connection.recv(1024):
            pass
    assert not accepts(server.address, server.port)


def test_pods_are_served_as_long_as_they_live(
    real_cluster: ControlPlane, real_namespace: str
) -> None:
    real_cluster.apply(DEPLOYMENT.format(namespace=real_namespace))
    with ServedPods(real_cluster, real_namespace, "app=web", 8080) as served:
        served.wait_for(2)
        before = served.servers
        real_cluster.kubectl("scale", "-n", real_namespace, "deployment/web", "--replicas=1")
        served.wait_for(1)
        gone = next(server for name, server in before.items() if name not in served.servers)
        assert not accepts(gone.address, gone.port)
