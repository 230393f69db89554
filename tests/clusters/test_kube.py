"""The portal's own questions, over a loopback server in the gateway's place."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from clusters import kube
from clusters.models import Cluster

Answer = tuple[int, Any]


class Gateway:
    """Answers by path; keeps what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[dict[str, list[str]]], Answer]] = {
            "/api/v1": (
                200,
                {
                    "resources": [
                        {"name": "pods", "kind": "Pod", "namespaced": True},
                        {"name": "pods/log", "kind": "Pod", "namespaced": True},
                        {"name": "nodes", "kind": "Node", "namespaced": False},
                    ]
                },
            )
        }
        self.asked: list[tuple[str, str, dict[str, list[str]], bytes, dict[str, str]]] = []

    def answer(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        parts = urlsplit(target)
        path = parts.path.removeprefix("/k8s/clusters/eu-1")
        arguments = parse_qs(parts.query)
        self.asked.append((method, path, arguments, body, headers))
        found = self.answers.get(path, (404, status("fleet-portal: no such cluster")))
        return found(arguments) if callable(found) else found


def status(message: str) -> dict[str, Any]:
    return {"kind": "Status", "status": "Failure", "message": message}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, value = gateway.answer(self.command, self.path, body, dict(self.headers))
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_PATCH = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(kube, "_base_url", lambda: f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("clusters.keys.has_public_certificate", lambda: True)
    kube.forget_kinds()
    yield gateway
    client = kube._transport.pop("client", None)
    if client is not None:
        client.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(pk=1, name="eu-1", uid="uid-1")


def test_get_names_the_object_and_the_identity(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers["/api/v1/namespaces/shop/pods/web"] = (200, {"kind": "Pod"})
    assert kube.get(cluster, "project:shop", "v1", "Pod", "shop", "web") == {"kind": "Pod"}
    assert gateway.asked[-1][4]["Authorization"].startswith("Bearer fpi_")


def test_kinds_are_asked_once(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers["/api/v1/nodes"] = (200, {"items": []})
    kube.list_(cluster, kube.OBSERVER, "v1", "Node")
    kube.list_(cluster, kube.OBSERVER, "v1", "Node")
    assert [path for _method, path, *_rest in gateway.asked].count("/api/v1") == 1


def test_an_unknown_kind_is_not_found(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers["/apis/networking.istio.io/v1"] = (404, status("not found"))
    with pytest.raises(kube.KubeNotFound, match="serves no VirtualService"):
        kube.list_(cluster, kube.OBSERVER, "networking.istio.io/v1", "VirtualService", "shop")


def test_lists_are_read_page_by_page(gateway: Gateway, cluster: Cluster) -> None:
    def pages(arguments: dict[str, list[str]]) -> Answer:
        if "continue" in arguments:
            return 200, {"items": [{"n": 2}], "metadata": {}}
        return 200, {"items": [{"n": 1}], "metadata": {"continue": "more"}}

    gateway.answers["/api/v1/namespaces/shop/pods"] = pages
    found = kube.list_(cluster, kube.OBSERVER, "v1", "Pod", "shop", label_selector="app=web")
    assert found == [{"n": 1}, {"n": 2}]
    assert gateway.asked[-1][2]["labelSelector"] == ["app=web"]


def test_a_dry_run_changes_nothing(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers["/api/v1/namespaces/shop/pods/web"] = (200, {"kind": "Pod"})
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}}
    kube.dry_run_apply(cluster, "project:shop", pod)
    method, _path, arguments, body, headers = gateway.asked[-1]
    assert (method, arguments["dryRun"]) == ("PATCH", ["All"])
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert json.loads(body) == pod


PROMETHEUS = "/api/v1/namespaces/istio-system/services/prometheus:9090/proxy/api/v1/query"


def test_a_query_reaches_the_named_prometheus(gateway: Gateway, cluster: Cluster) -> None:
    result = [{"metric": {}, "value": [1, "2"]}]
    gateway.answers[PROMETHEUS] = (200, {"status": "success", "data": {"result": result}})
    assert kube.query(cluster, "up", at=5.0) == result
    assert gateway.asked[-1][2] == {"query": ["up"], "time": ["5.0"]}


def test_a_refused_query_says_why(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers[PROMETHEUS] = (400, {"status": "error", "error": "parse error"})
    with pytest.raises(kube.KubeInvalid, match="parse error"):
        kube.query(cluster, "up(")


def test_a_cluster_without_prometheus_is_told_at_once(cluster: Cluster) -> None:
    cluster.prometheus_service = ""
    with pytest.raises(kube.KubeNotFound, match="names no Prometheus"):
        kube.query(cluster, "up")


@pytest.mark.parametrize(
    ("code", "body", "error"),
    [
        (401, status("who are you"), kube.KubeDenied),
        (403, status('pods is forbidden: User "x"'), kube.KubeDenied),
        (404, status('pods "web" not found'), kube.KubeNotFound),
        (404, status("fleet-portal: no such cluster"), kube.ClusterUnreachable),
        (409, status("conflict"), kube.KubeConflict),
        (422, status("invalid"), kube.KubeInvalid),
        (302, b"", kube.KubeInvalid),
        (429, status("slow down"), kube.ClusterUnreachable),
        (502, status("no API server"), kube.ClusterUnreachable),
        (503, b"plain words", kube.ClusterUnreachable),
        (200, b"no json", kube.KubeInvalid),
        (200, ["a", "list"], kube.KubeInvalid),
    ],
)
def test_every_answer_has_its_error(
    gateway: Gateway, cluster: Cluster, code: int, body: Any, error: type[kube.KubeError]
) -> None:
    gateway.answers["/api/v1/namespaces/shop/pods/web"] = (code, body)
    with pytest.raises(error) as raised:
        kube.get(cluster, kube.OBSERVER, "v1", "Pod", "shop", "web")
    assert type(raised.value) is error


def test_the_clusters_words_are_kept(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers["/api/v1/namespaces/shop/pods/web"] = (403, status("User x cannot get pods"))
    with pytest.raises(kube.KubeDenied, match=r"^User x cannot get pods$"):
        kube.get(cluster, kube.OBSERVER, "v1", "Pod", "shop", "web")


def test_a_gateway_that_is_gone(
    gateway: Gateway, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "_base_url", lambda: "http://127.0.0.1:1")
    with pytest.raises(kube.ClusterUnreachable, match="does not answer"):
        kube.get(cluster, kube.OBSERVER, "v1", "Pod", "shop", "web")


def test_an_endless_answer_is_cut(
    gateway: Gateway, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "ANSWER_MAX_BYTES", 1000)
    gateway.answers["/api/v1/namespaces/shop/pods/web"] = (200, {"x": "y" * 2000})
    with pytest.raises(kube.KubeInvalid, match="larger"):
        kube.get(cluster, kube.OBSERVER, "v1", "Pod", "shop", "web")


def test_the_agents_own_answer_is_returned(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers["/agents/eu-1/v1/desired/shop"] = (409, {"message": "older than what I hold"})
    code, body = kube.call_agent(cluster, "PUT", "/v1/desired/shop", b"token", 5.0)
    assert (code, json.loads(body)["message"]) == (409, "older than what I hold")
    assert gateway.asked[-1][3] == b"token"


def test_an_agent_that_is_away(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers["/agents/eu-1/v1/status"] = (503, status("fleet-portal: not connected"))
    with pytest.raises(kube.ClusterUnreachable, match="not connected"):
        kube.call_agent(cluster, "GET", "/v1/status", b"", 5.0)


def test_paths_are_quoted(gateway: Gateway, cluster: Cluster) -> None:
    gateway.answers["/api/v1/namespaces/a%2Fb/pods/c%3Fd"] = (200, {})
    assert kube.get(cluster, kube.OBSERVER, "v1", "Pod", "a/b", "c?d") == {}
