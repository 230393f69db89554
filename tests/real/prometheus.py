"""A real Prometheus on a Pod's address behind a Service, as a cluster's user would run it.

It scrapes Envoys each second. Upstream's Envoy has no `istio_requests_total`, so metric relabel
rules make Istio's names out of Envoy's per-zone counters: the zones of caller and callee name the
clusters, so zones must be unique in a mesh. A request that no host could take has no zone; it
counts towards `destination_cluster="unknown"`, as with Istio.

Other than with Istio, `response_flags` is "-" for whatever reached a host.
"""

import json
import shutil
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.real.api import NeverHappened
from tests.real.envoy import Envoy
from tests.real.launcher import ControlPlane
from tests.real.processes import NotReady, Process, accepts

INSTALL = "Prometheus is missing. Install it with: apt-get install -y prometheus"
NAMESPACE, SERVICE, PORT = "monitoring", "prometheus", 9090

_MANIFEST = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {SERVICE}, namespace: {NAMESPACE}}}
spec:
  selector: {{app: prometheus}}
  ports: [{{name: http, port: {PORT}, targetPort: {PORT}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: prometheus-0, namespace: {NAMESPACE}, labels: {{app: prometheus}}}}
spec:
  containers: [{{name: prometheus, image: "example.com/prometheus:test"}}]
"""
_NAME, _CLUSTER = "__name__", "cluster_name"
_HOST = r"outbound\|\d+\|[^|]*\|(([^.]+)\.([^.]+)\..+)"
# Istio's short name is for Kubernetes' own Services; other hosts are named whole.
_KUBERNETES_HOST = r"outbound\|\d+\|[^|]*\|(([^.]+)\.([^.]+)\.svc\..+)"


@dataclass(frozen=True)
class Target:
    """An Envoy to scrape: the sidecar of a caller in `cluster`."""

    envoy: Envoy
    cluster: str
    workload: str = "caller"


class Prometheus:
    """One running Prometheus in `plane`; it ends with the control plane at the latest."""

    def __init__(self, plane: ControlPlane, process: Process, address: str) -> None:
        self.plane, self.process, self.address = plane, process, address
        # Where the API server reaches it.
        self.proxy_path = f"/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}:{PORT}/proxy"

    @classmethod
    def start(
        cls, plane: ControlPlane, targets: Sequence[Target], cluster_of_zone: Mapping[str, str]
    ) -> "Prometheus":
        """Make Pod and Service, start Prometheus on the Pod's address, wait until it is ready.

        `cluster_of_zone`: the name of the cluster each zone belongs to, for the whole mesh.
        """
        if shutil.which("prometheus") is None:
            raise NotReady(INSTALL)
        address = _pod_address(plane)
        config = plane.folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(configuration(targets, cluster_of_zone)))
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={plane.folder / 'prometheus'}",
            f"--web.listen-address={address}:{PORT}",
            "--log.level=warn",
        ]
        process = plane.run("prometheus", command)
        process.wait_until(lambda: accepts(address, PORT))
        return cls(plane, process, address)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Ask through the API server's service proxy; return the vector's samples."""
        query = urllib.parse.urlencode({"query": promql})
        answer = self.plane.api.get(f"{self.proxy_path}/api/v1/query?{query}")
        samples: list[dict[str, Any]] = answer["data"]["result"]
        return samples

    def wait_for(self, promql: str, deadline_seconds: float = 20) -> list[dict[str, Any]]:
        """Ask until there is a sample."""
        ends = time.monotonic() + deadline_seconds
        while time.monotonic() < ends:
            if samples := self.query(promql):
                return samples
            time.sleep(0.2)
        everything = json.dumps(self.query('{__name__=~"istio.+"}'), indent=1)
        raise NeverHappened(
            f"no sample for {promql} in {deadline_seconds} s; there is {everything}"
        )

    def stop(self) -> None:
        """Kill it; Pod and Service stay, as when a Prometheus hangs."""
        self.process.stop()


def _pod_address(plane: ControlPlane) -> str:
    plane.apply(_MANIFEST)
    pods = plane.api.wait_for(
        f"/api/v1/namespaces/{NAMESPACE}/pods",
        lambda found: any(pod["status"].get("podIP") for pod in found),
    )
    address: str = pods[0]["status"]["podIP"]
    return address


def configuration(targets: Sequence[Target], cluster_of_zone: Mapping[str, str]) -> dict[str, Any]:
    """Return Prometheus's configuration for these Envoys."""
    static = [
        {
            "targets": [f"127.0.0.1:{target.envoy.admin_port}"],
            "labels": {"source_cluster": target.cluster, "source_workload": target.workload},
        }
        for target in targets
    ]
    envoys = {
        "job_name": "envoys",
        "metrics_path": "/stats/prometheus",
        # Without what never counted anything: Istio has no such series either.
        "params": {"usedonly": [""]},
        "static_configs": static,
        "metric_relabel_configs": istio_names(cluster_of_zone),
    }
    timing = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    return {"global": timing, "scrape_configs": [envoys]}


def istio_names(cluster_of_zone: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rules that turn Envoy's per-zone counters into Istio's metrics."""
    times = "envoy_cluster_zone_upstream_rq_time_(bucket|sum|count)"
    nobody = "envoy_cluster_upstream_cx_none_healthy"
    counters = f"envoy_cluster_zone_upstream_rq|{nobody}"
    constants = {"reporter": "source", "request_protocol": "http", "response_flags": "-"}
    unserved = {"destination_cluster": "unknown", "response_code": "503", "response_flags": "UH"}
    return [
        {"source_labels": [_NAME], "regex": f"{counters}|{times}", "action": "keep"},
        {"source_labels": [_CLUSTER], "regex": _HOST, "action": "keep"},
        _set(_CLUSTER, _HOST, "destination_service", "$1"),
        _set(_CLUSTER, _HOST, "destination_service_name", "$1"),
        _set(_CLUSTER, _KUBERNETES_HOST, "destination_service_name", "$2"),
        _set(_CLUSTER, _HOST, "destination_service_namespace", "$3"),
        *(_set(_NAME, ".*", label, value) for label, value in constants.items()),
        *(
            _set("to_zone", zone, "destination_cluster", cluster)
            for zone, cluster in cluster_of_zone.items()
        ),
        *(_set(_NAME, nobody, label, value) for label, value in unserved.items()),
        _set(_NAME, times, _NAME, "istio_request_duration_milliseconds_$1"),
        _set(_NAME, counters, _NAME, "istio_requests_total"),
        {"regex": f"from_zone|to_zone|{_CLUSTER}", "action": "labeldrop"},
    ]


def _set(source: str, regex: str, label: str, value: str) -> dict[str, Any]:
    return {"source_labels": [source], "regex": regex, "target_label": label, "replacement": value}
